// counted_new.cpp: operator new that counts its calls. It is a separate file, because GCC 12 warns
// about free() of memory from new if it sees both operators at once.
#include "tests/support/counted_new.h"

#include <cstdlib>
#include <new>

std::atomic<long> allocations = 0;

void* operator new(std::size_t bytes) {
    ++allocations;
    void* memory = std::malloc(bytes > 0 ? bytes : 1);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}
// std::stable_sort takes this one. Without it, memory of the library's would come to free().
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    ++allocations;
    return std::malloc(bytes > 0 ? bytes : 1);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    ++allocations;
    const auto line = static_cast<std::size_t>(alignment);
    void* memory = std::aligned_alloc(line, (bytes + line - 1) / line * line);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
