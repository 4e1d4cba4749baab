// persistent_step.h: the pieces of a step of the persistent kernel, in their order.
//
// persistent.cu draws the whole and has the barriers between the pieces. All threads of a block
// call each piece. In a piece a thread writes shared memory that no other thread reads before the
// next barrier. Device code; persistent.cu alone includes it.
#pragma once
#include "device/gpu/persistent_memory.h"

namespace persistent {

/// The kernel's arguments.
struct Work {
    int inputs, hidden, classes;
    int batch;  ///< the largest, for which memory is laid out
    nn_real pixel_scale;
    PersistentSteps steps;
    unsigned first_step;     ///< number of the first step, for the exchange
    ExchangeWord* exchange;  ///< two halves of `half` words
    std::size_t half;
    unsigned *ended, *gave_up;  ///< counters
    long long most_cycles;
};

/// What a block has of the hidden layer: units first .. first + own - 1.
struct Units {
    int first, own;
};

__device__ __forceinline__ int this_warp() { return this_thread() / 32; }
__device__ __forceinline__ int this_lane() { return this_thread() % 32; }

/// Pixel `Place` of four. In float, 2^23 + byte has the byte in its last bits, which takes two
/// quick instructions.
template <int Place>
__device__ __forceinline__ nn_real pixel_of(unsigned four) {
    if constexpr (sizeof(nn_real) == sizeof(float))
        return __uint_as_float(__byte_perm(four, 0x4b000000u, 0x7440u + Place)) - 8388608.0f;
    else
        return static_cast<nn_real>(four >> 8 * Place & 0xffu);
}

/// Starts to copy the pixels of n samples, from `first` on. Mapping: neighbouring threads copy
/// neighbouring words.
__device__ __forceinline__ void copy_pixels(const Work& work, const Memory& m, unsigned* to,
                                            std::size_t first, int n) {
    const int words = work.inputs / 4;
    const auto* from = work.steps.pixels + first * static_cast<std::size_t>(work.inputs);
    for (int e = this_thread(); e < n * words; e += threads)
        copy_async<4>(to + e / words * m.pixel_pitch + e % words,
                      from + 4 * static_cast<std::size_t>(e));
    copy_async_commit();
}

/// Each warp's share of W1 X for the block's units. Mapping: warp w takes the words w, w + 16, ...
/// of the inputs, a lane a sample: its pixels come without bank conflicts, for the pitch is odd,
/// and all lanes read the same four weights.
template <int R>
__device__ __forceinline__ void sum_inputs(const Work& work, const Memory& m,
                                           const unsigned* pixels, int n) {
    const int words = work.inputs / 4;
    for (int j = this_lane(); j < n; j += 32) {
        nn_real sum[R] = {};
        for (int k = this_warp(); k < words; k += warps) {
            const unsigned four = pixels[j * m.pixel_pitch + k];
            const nn_real x[4] = {pixel_of<0>(four), pixel_of<1>(four), pixel_of<2>(four),
                                  pixel_of<3>(four)};
#pragma unroll
            for (int r = 0; r < R; ++r) {
                const Weights4 w = m.w1[r * words + k];
#pragma unroll
                for (int e = 0; e < 4; ++e) sum[r] += w.at[e] * x[e];
            }
        }
#pragma unroll
        for (int r = 0; r < R; ++r) m.sums[(this_warp() * R + r) * work.batch + j] = sum[r];
    }
}

/// Where a step's words lie: a unit's, one after the other, then the next unit's.
__device__ __forceinline__ ExchangeWord* half_of(const Work& work, unsigned step) {
    return work.exchange + step % 2 * work.half;
}

/// a = f(scale W1 X + b1) of the block's units, for all blocks. Mapping: three lanes (in double
/// one) compute the activations of a word, of neighbouring samples; its first lane collects and
/// publishes them. Lanes 30 and 31 have none.
template <class F, int R>
__device__ __forceinline__ void publish_activations(const Work& work, const Memory& m,
                                                    const Units& units, int n, unsigned step) {
    constexpr int words_of_warp = 32 / values_of_word;
    const int of_unit = ceil_div(n, values_of_word), all = units.own * of_unit;
    const int lane = this_lane(), part = lane % values_of_word;
    ExchangeWord* const to = half_of(work, step) + static_cast<std::size_t>(units.first) *
                                                       static_cast<std::size_t>(of_unit);
    for (int first = this_warp() * words_of_warp; first < all; first += warps * words_of_warp) {
        const int word = first + lane / values_of_word;
        const bool inside = lane < words_of_warp * values_of_word && word < all;
        const int r = inside ? word / of_unit : 0, j = word % of_unit * values_of_word + part;
        nn_real a = 0;
        if (inside && j < n) {
            nn_real sum = 0;
#pragma unroll
            for (int w = 0; w < warps; ++w) sum += m.sums[(w * R + r) * work.batch + j];
            a = F::value(work.pixel_scale * sum + m.b1[r], Exp{});
        }
        ExchangeWord out{};
        out.step = step;
        out.at[0] = a;
#pragma unroll
        for (int e = 1; e < values_of_word; ++e)
            out.at[e] = __shfl_down_sync(all_lanes, a, static_cast<unsigned>(e));
        if (inside && part == 0) publish(to + word, out);
    }
}

/// W2 and b2, by the deltas and activations of the step before, of n samples. Mapping: a thread has
/// a unit's weights to all classes, one more thread the biases, whose unit is always 1.
__device__ __forceinline__ void update_outputs(const Work& work, const Memory& m, int n) {
    for (int h = this_thread(); h <= work.hidden; h += threads) {
        nn_real sum[group_classes] = {};
        for (int j = 0; j < n; ++j) {
            const Group delta = m.delta[j];
            const nn_real a = h < work.hidden ? m.activations[h * m.sample_pitch + j] : nn_real{1};
#pragma unroll
            for (int c = 0; c < group_classes; ++c) sum[c] += delta.at[c] * a;
        }
        UpdateNumbers numbers = work.steps.numbers;
        if (h == work.hidden) numbers.reg = 0;
#pragma unroll
        for (int c = 0; c < group_classes; ++c) {
            UpdatedNumber<Sgd> w;
            w.read(&m.w2[h].at[c], 0);
            w.update(Sgd{}, numbers, sum[c]);
        }
    }
}

/// Brings the activations of all blocks. Returns false if a word did not come within
/// work.most_cycles. Mapping: neighbouring threads look at neighbouring words; a thread has four
/// under way, and looks again until all four are there.
__device__ __forceinline__ bool gather_activations(const Work& work, const Memory& m, int n,
                                                   unsigned step) {
    constexpr int at_once = 4;
    const int of_unit = ceil_div(n, values_of_word), all = work.hidden * of_unit;
    const ExchangeWord* const from = half_of(work, step);
    const long long began = cycles_now();
    for (int first = this_thread(); first < all; first += at_once * threads) {
        ExchangeWord word[at_once];
        for (;;) {
            bool there = true;
#pragma unroll
            for (int i = 0; i < at_once; ++i) {
                if (first + i * threads >= all) continue;
                word[i] = look_at(from + first + i * threads);
                there = there && word[i].step == step;
            }
            if (there) break;
            if (cycles_now() - began > work.most_cycles) return false;
            wait_for_others();
        }
#pragma unroll
        for (int i = 0; i < at_once; ++i) {
            const int at = first + i * threads;
            if (at >= all) continue;
            const int h = at / of_unit, j = at % of_unit * values_of_word;
#pragma unroll
            for (int e = 0; e < values_of_word; ++e)
                if (j + e < n) m.activations[h * m.sample_pitch + j + e] = word[i].at[e];
        }
    }
    return true;
}

/// Each warp's share of W2 A. Mapping: warp w takes the units w, w + 16, ..., a lane a sample.
__device__ __forceinline__ void sum_units(const Work& work, const Memory& m, int n) {
    for (int j = this_lane(); j < n; j += 32) {
        nn_real sum[group_classes] = {};
        for (int h = this_warp(); h < work.hidden; h += warps) {
            const Group w = m.w2[h];
            const nn_real a = m.activations[h * m.sample_pitch + j];
#pragma unroll
            for (int c = 0; c < group_classes; ++c) sum[c] += w.at[c] * a;
        }
#pragma unroll
        for (int c = 0; c < group_classes; ++c)
            m.sums[(this_warp() * work.batch + j) * sums_pitch + c] = sum[c];
    }
}

/// yhat = softmax of the logits; deltas (yhat - y) scale; adds the losses of the warp's samples to
/// `loss`. yhat is written out if it is not null. Mapping: warp w has the samples w, w + 16, ...,
/// lane c its class c; maximum and sum pass between lanes by butterflies.
__device__ __forceinline__ void judge_outputs(const Work& work, const Memory& m, int n,
                                              nn_real scale, nn_real* yhat, double& loss) {
    const int c = this_lane();
    for (int j = this_warp(); j < n; j += warps) {
        nn_real z = 0;
        if (c < work.classes) {
#pragma unroll
            for (int w = 0; w < warps; ++w) z += m.sums[(w * work.batch + j) * sums_pitch + c];
            z += m.w2[work.hidden].at[c];
        }
        const nn_real first = __shfl_sync(all_lanes, z, 0);
        if (c >= work.classes) z = first;  // changes no maximum
        nn_real largest = z;
        for (int step = 16; step > 0; step /= 2) {
            const nn_real other = __shfl_xor_sync(all_lanes, largest, step);
            if (other > largest) largest = other;
        }
        const nn_real power = c < work.classes ? exp(z - largest) : nn_real{0};
        const nn_real sum = sum_in_warp(power);
        const int label = m.labels[j];
        loss += static_cast<double>(log(sum) - (__shfl_sync(all_lanes, z, label) - largest));
        const nn_real seen = power / sum;
        if (c < group_classes)
            m.delta[j].at[c] = c < work.classes ? (c == label ? seen - 1 : seen) * scale : 0;
        if (yhat != nullptr && c < work.classes) yhat[position(c, j, work.classes)] = seen;
    }
}

/// The deltas of the block's units: (W2^T delta) f'(a). Mapping: a thread has a unit and a sample.
template <class F>
__device__ __forceinline__ void compute_below(const Work& work, const Memory& m, const Units& units,
                                              int n) {
    for (int e = this_thread(); e < units.own * n; e += threads) {
        const int r = e / n, j = e % n, h = units.first + r;
        const Group w = m.w2[h], delta = m.delta[j];
        nn_real sum = 0;
#pragma unroll
        for (int c = 0; c < group_classes; ++c) sum += w.at[c] * delta.at[c];
        m.below[r * work.batch + j] = sum * F::slope(m.activations[h * m.sample_pitch + j]);
    }
}

/// W1 and b1 of the block's units. Mapping: a thread has two neighbouring inputs of all R units, of
/// which it reads the pixels once; neighbours read neighbouring half words. R more threads, the
/// last ones, have the biases.
template <int R>
__device__ __forceinline__ void update_inputs(const Work& work, const Memory& m,
                                              const unsigned* pixels, const Units& units, int n) {
    const auto* const halves = reinterpret_cast<const unsigned short*>(pixels);
    for (int k = this_thread(); k < work.inputs / 2; k += threads) {
        nn_real sum[R][2] = {};
        for (int j = 0; j < n; ++j) {
            const unsigned two = halves[2 * j * m.pixel_pitch + k];
            const nn_real x[2] = {pixel_of<0>(two), pixel_of<1>(two)};
#pragma unroll
            for (int r = 0; r < R; ++r) {
                if (r >= units.own) continue;
                const nn_real delta = m.below[r * work.batch + j];
                sum[r][0] += delta * x[0];
                sum[r][1] += delta * x[1];
            }
        }
#pragma unroll
        for (int r = 0; r < R; ++r)
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                UpdatedNumber<Sgd> w;
                w.read(&m.w1[(r * work.inputs + 2 * k + e) / 4].at[(2 * k + e) % 4], 0);
                w.update(Sgd{}, work.steps.numbers, work.pixel_scale * sum[r][e]);
            }
    }
    const int r = threads - 1 - this_thread();
    if (r >= units.own) return;
    nn_real sum = 0;
    for (int j = 0; j < n; ++j) sum += m.below[r * work.batch + j];
    UpdateNumbers numbers = work.steps.numbers;
    numbers.reg = 0;
    UpdatedNumber<Sgd> b;
    b.read(m.b1 + r, 0);
    b.update(Sgd{}, numbers, sum);
}

}  // namespace persistent
