// device_sums.h: whether an MPI that says that it takes device memory does so rightly.
//
// An MPI finds out by itself which memory is a device's. Some do it by watching the CUDA library,
// which a program that is linked with CUDA statically does not call (UCX before 1.12.1): they take
// device memory for the host's, and crash or sum wrong numbers.
#pragma once
#include <functional>
#include <span>

#include "base/real.h"

/// Selects `device` for this thread and starts it. Returns false if CUDA does not give it to this
/// process.
bool device_starts(int device);

/// Has sum() add up arrays in the memory of the device that is selected, of 64 bytes, 8 KiB and
/// 1 MiB: MPI takes another way for each. sum(values) must make each of them the sum over `ranks`
/// ranks that call this function together. Returns true if all of this rank's sums are right.
bool device_sums_are_right(int rank, int ranks, const std::function<void(std::span<nn_real>)>& sum);
