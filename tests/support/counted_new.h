// counted_new.h: counts the calls of operator new, which counted_new.cpp replaces.
//
// Memory that a library takes by malloc is not counted.
#pragma once
#include <atomic>

extern std::atomic<long> allocations;
