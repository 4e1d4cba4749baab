// buffer.h: memory for numbers, aligned for the CPU's vectors and caches.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

/// Zeros that begin on a cache line. A large buffer gets large pages, if the system has them. With
/// small pages, reading images in random order spends more time on finding pages than on pixels.
template <class T>
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::size_t count) {
        constexpr std::size_t line = 64, large_page = std::size_t{1} << 21;
        const std::size_t unit = count * sizeof(T) < large_page ? line : large_page;
        const std::size_t bytes =
            std::max((count * sizeof(T) + unit - 1) / unit, std::size_t{1}) * unit;
        memory_.reset(static_cast<T*>(std::aligned_alloc(unit, bytes)));
        if (!memory_) throw std::bad_alloc();
        if (unit == large_page) madvise(memory_.get(), bytes, MADV_HUGEPAGE);
        std::fill_n(memory_.get(), count, T{});
    }
    T* data() { return memory_.get(); }
    const T* data() const { return memory_.get(); }

  private:
    struct Free {
        void operator()(T* memory) const { std::free(memory); }
    };
    std::unique_ptr<T, Free> memory_;
};
