// absent.cpp: stands in for the CUDA files in a build without nvcc.
//
// Such a binary finds no device and says why, and then never asks for a replica on one.
#include <stdexcept>

#include "device/gpu/device_sums.h"
#include "device/gpu/gemm_timing.h"
#include "device/gpu/nccl.h"
#include "device/replica.h"

namespace {
constexpr const char* why =
    "this binary was built without CUDA: nvcc was not found, or CUDA=0 was given";
}

CudaDevices find_cuda_devices() {
    return {.usable = {}, .why_none = why, .left_out = {}, .runtime_version = {}};
}

std::string cuda_uuid(int) { return ""; }

std::unique_ptr<Replica> make_cuda_replica(const ReplicaShape&, const CudaSettings&) {
    throw std::logic_error("make_cuda_replica: find_cuda_devices() has found none");
}

std::string why_not_persistent(const ReplicaShape&, const CudaSettings&) {
    throw std::logic_error("why_not_persistent: find_cuda_devices() has found none");
}

bool device_starts(int) { return false; }

bool device_sums_are_right(int, int, const std::function<void(std::span<nn_real>)>&) {
    throw std::logic_error("device_sums_are_right: find_cuda_devices() has found none");
}

std::unique_ptr<Replica> make_course_replica(const ReplicaShape&, const CudaSettings&) {
    throw std::logic_error("make_course_replica: find_cuda_devices() has found none");
}

FoundNccl find_nccl() { return {.version = {}, .missing = why}; }

NcclId make_nccl_id() { throw std::logic_error("make_nccl_id: find_nccl() says why not"); }

std::unique_ptr<NcclSums> make_nccl_sums(const NcclId&, int, int, int) {
    throw std::logic_error("make_nccl_sums: find_nccl() says why not");
}

GemmTiming time_our_gemm(const GemmProblem&, int, nn_real*) { return {0, why}; }
GemmTiming time_cublas_gemm(const GemmProblem&, int, nn_real*) { return {0, why}; }
