// host_memory.h: the host's memory, for the guarded arrays of numbers.h.
#pragma once
#include <cstdlib>
#include <cstring>
#include <new>

#include "tests/support/numbers.h"

struct HostMemory {
    static void* allocate(std::size_t bytes) {
        void* memory = std::malloc(bytes > 0 ? bytes : 1);
        if (memory == nullptr) throw std::bad_alloc();
        return memory;
    }
    static void release(void* memory) { std::free(memory); }
    static void upload(void* to, const void* from, std::size_t bytes) {
        if (bytes > 0) std::memcpy(to, from, bytes);
    }
    static void download(void* to, const void* from, std::size_t bytes) { upload(to, from, bytes); }
};

template <class T>
using OnHost = Guarded<T, HostMemory>;
