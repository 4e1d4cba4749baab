// gpuhost_product.h: products of a warp on tensor cores: what they compute, not who waits for whom.
#pragma once
#include <span>

namespace gpuhost {
/// What one thread brings to a product, laid out as device/gpu/ptx.h says; c is changed.
struct Fragments {
    int lane;
    const void *a, *b;
    void* c;
};

void multiply_bf16(std::span<const Fragments> warp);
void multiply_s8u8(std::span<const Fragments> warp);
void multiply_f64(std::span<const Fragments> warp);
}  // namespace gpuhost
