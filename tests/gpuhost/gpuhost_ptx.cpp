// gpuhost_ptx.cpp: device/gpu/ptx.h's copies and products on tensor cores, on the CPU.
//
// Compile without -fsanitize: see fiber.h.
#include <algorithm>
#include <cstdio>

#include "gpuhost_block.h"

namespace gpuhost {
// ---- Copies from global to shared memory ----

namespace {
/// For messages: 7.5.
std::string capability() {
    return std::to_string(config().capability / 10) + "." +
           std::to_string(config().capability % 10);
}

bool in_shared_memory(const void* pointer, std::size_t bytes) {
    const auto* first_byte = static_cast<const char*>(pointer);
    if (block.dynamic != nullptr && first_byte >= block.dynamic &&
        first_byte + bytes <= block.dynamic + block.dynamic_bytes)
        return true;
    return std::ranges::any_of(block.shared_arrays, [=](const SharedArray* array) {
        const auto start = reinterpret_cast<std::uintptr_t>(array->data);
        const auto first = reinterpret_cast<std::uintptr_t>(pointer);
        return first >= start && first - start <= array->size &&
               bytes <= array->size - (first - start);
    });
}

Thread& thread_that_copies(Place where) {
    Thread& self = current_thread();
    self.where = where;
    if (!::gpu_copies_async())
        die(name_of(self) + " copies asynchronously, which GPUs of compute capability " +
            capability() + " do not: ask gpu_copies_async() first");
    return self;
}
}  // namespace

std::size_t start_copy(void* shared, const void* global, std::size_t bytes, Place where) {
    Thread& self = thread_that_copies(where);
    const auto flaw = [&]() -> const char* {
        if (reinterpret_cast<std::uintptr_t>(shared) % bytes != 0)
            return "to shared memory that is not aligned to as many";
        if (reinterpret_cast<std::uintptr_t>(global) % bytes != 0)
            return "from global memory that is not aligned to as many";
        if (!in_shared_memory(shared, bytes))
            return "to where no shared array of its block has them";
        if (global != nullptr && !device_holds(global, bytes))
            return "from where device memory does not have them";
        return nullptr;
    }();
    if (flaw) die(name_of(self) + " copies " + std::to_string(bytes) + " bytes " + flaw);
    self.copies.push_back({shared, global, bytes, self.groups, where});
    return bytes;
}

void commit_copies(Place where) { ++thread_that_copies(where).groups; }

bool take_copy(std::size_t pending, Copy& copy, Place where) {
    Thread& self = thread_that_copies(where);
    if (self.copies.empty()) return false;
    copy = self.copies[self.copied];
    if (copy.group + pending >= self.groups) return false;
    if (++self.copied == self.copies.size() || self.copied == 256) {  // so that it does not grow
        self.copies.erase(self.copies.begin(),
                          self.copies.begin() + static_cast<std::ptrdiff_t>(self.copied));
        self.copied = 0;
    }
    return true;
}

// ---- Products on tensor cores ----

namespace {
/// The fragments of a whole warp, for `multiply`.
template <void (*multiply)(std::span<const Fragments>)>
void multiply_by(Members warp) {
    std::vector<Fragments> fragments;
    for (const Thread* thread : warp) fragments.push_back(thread->fragments);
    multiply(fragments);
}

/// `finish` computes the product for the whole warp.
void meet_for_product(void* c, const void* a, const void* b, Place where, bool has,
                      const char* instruction, void (*finish)(Members)) {
    Thread& self = current_thread();
    self.where = where;
    if (!has)
        die(name_of(self) + " calls " + instruction + ", which GPUs of compute capability " +
            capability() + " do not have: choose another kernel for them");
    self.fragments = {self.lane(), a, b, c};
    meet_lanes(~0u, where, finish);
}
}  // namespace

void warp_mma(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              Place where) {
    meet_for_product(c, a, b, where, config().capability >= 80, "mma_bf16",
                     multiply_by<multiply_bf16>);
}

void warp_mma(std::int32_t (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              Place where) {
    meet_for_product(c, a, b, where, config().capability >= 80, "mma_s8u8",
                     multiply_by<multiply_s8u8>);
}

void warp_mma(double (&c)[4], const double (&a)[8], const double (&b)[4], Place where) {
    meet_for_product(c, a, b, where, ::gpu_has_f64_mma(), "mma_f64", multiply_by<multiply_f64>);
}
}  // namespace gpuhost

bool gpu_copies_async() { return gpuhost::config().capability >= 80; }

bool gpu_has_f64_mma() {
    const int capability = gpuhost::config().capability;
    return capability == 80 || capability == 90 || capability == 100;
}
