// persistent_memory.h: what a block of the persistent kernel has in shared memory.
//
// One function gives the places for both sides: the host asks how many bytes a launch needs, and
// the kernel where things lie. Device code; persistent.cu alone includes it.
#pragma once
#include "device/gpu/head.h"
#include "device/gpu/persistent.h"

namespace persistent {

inline constexpr int warps = 16, threads = 32 * warps;
static_assert(warps == persistent_loss_slots);

/// Four neighbouring inputs are worked on at a time: their pixels are a word.
struct alignas(16) Weights4 {
    nn_real at[4];
};
/// A sample's sums in shared memory are a number apart that brings 32 lanes to 32 banks.
inline constexpr int sums_pitch = group_classes + 1;

/// Arrays in shared memory. R are the block's hidden units, B is the largest mini-batch.
struct Memory {
    int pixel_pitch;       ///< words of a sample's pixels, odd: lanes of 32 samples meet 32 banks
    int sample_pitch;      ///< numbers of a unit's activations, odd for the same reason
    Weights4* w1;          ///< [R][inputs / 4]
    nn_real* b1;           ///< [R]
    Group* w2;             ///< [hidden + 1]: a unit's weights to each class; the last one: biases
    nn_real* activations;  ///< [hidden][sample_pitch], of all blocks' units
    Group* delta;          ///< [B], of the output; zeros for classes that do not exist
    nn_real* below;        ///< [R][B], delta of the block's units
    nn_real* sums;         ///< of each warp: [R][B], or [B][sums_pitch]
    int* labels;           ///< [B]
    unsigned* ticket;      ///< one, of the end
    unsigned* pixels;      ///< [2][B][pixel_pitch], of this step and of the next one, by turns
    std::size_t bytes;     ///< of all
};

/// base: null where only `bytes` is wanted.
__host__ __device__ inline Memory memory_at(unsigned char* base, int rows, int inputs, int hidden,
                                            int batch) {
    Memory m{};
    std::size_t used = 0;
    const auto take = [&](std::size_t count, std::size_t size) {
        const std::uintptr_t place = reinterpret_cast<std::uintptr_t>(base) + used;
        used += (count * size + 15) / 16 * 16;
        return place;
    };
    const auto product = [](int a, int b) {
        return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
    };
    m.pixel_pitch = (inputs / 4) | 1;
    m.sample_pitch = batch | 1;
    const int sums = rows > sums_pitch ? rows : sums_pitch;
    m.w1 = reinterpret_cast<Weights4*>(take(product(rows, inputs / 4), sizeof(Weights4)));
    m.b1 = reinterpret_cast<nn_real*>(take(product(rows, 1), sizeof(nn_real)));
    m.w2 = reinterpret_cast<Group*>(take(product(hidden + 1, 1), sizeof(Group)));
    m.activations =
        reinterpret_cast<nn_real*>(take(product(hidden, m.sample_pitch), sizeof(nn_real)));
    m.delta = reinterpret_cast<Group*>(take(product(batch, 1), sizeof(Group)));
    m.below = reinterpret_cast<nn_real*>(take(product(rows, batch), sizeof(nn_real)));
    m.sums = reinterpret_cast<nn_real*>(take(product(warps * sums, batch), sizeof(nn_real)));
    m.labels = reinterpret_cast<int*>(take(product(batch, 1), sizeof(int)));
    m.ticket = reinterpret_cast<unsigned*>(take(1, sizeof(unsigned)));
    m.pixels =
        reinterpret_cast<unsigned*>(take(product(2 * batch, m.pixel_pitch), sizeof(unsigned)));
    m.bytes = used;
    return m;
}

}  // namespace persistent
