// page_end.h: an array behind which no memory is.
//
// What reads an element too many, and does not use it, gives the right results. Here it ends the
// test program at once, without a sanitizer.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <vector>

/// Its last element ends a page; the page behind it cannot be read.
template <class T>
class AtPageEnd {
  public:
    explicit AtPageEnd(const std::vector<T>& values) : count_(values.size()) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t used = (count_ * sizeof(T) + page - 1) / page * page;
        bytes_ = used + page;
        memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory_ == MAP_FAILED) throw std::bad_alloc();
        end_ = static_cast<std::uint8_t*>(memory_) + used;
        if (mprotect(end_, page, PROT_NONE) != 0) throw std::bad_alloc();
        std::copy(values.begin(), values.end(), data());
    }
    ~AtPageEnd() { munmap(memory_, bytes_); }
    AtPageEnd(const AtPageEnd&) = delete;
    AtPageEnd& operator=(const AtPageEnd&) = delete;

    T* data() const { return static_cast<T*>(end_) - count_; }
    std::vector<T> values() const { return {data(), data() + count_}; }

  private:
    std::size_t count_, bytes_;
    void *memory_, *end_;
};
