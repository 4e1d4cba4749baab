// gpu_traffic.cpp: bench/gpu_traffic.h on the kernel runner, which counts by itself.
#include "bench/gpu_traffic.h"

#include "device/gpu/runtime.h"

std::size_t uploaded_bytes() { return gpuhost::traffic().uploaded; }
