// head_narrow.cu: the head of a network with at most ten outputs and some hundred units below, in
// one pass.
//
// As in head.cu, a block takes a run of samples through the output layer, the loss and the way
// back. Here a block holds W whole, a thread some inputs of it:
//
//     thread t      inputs t, t + 256, ...: their columns of W and of dW, and their activations of
//                   up to eight samples, all in registers
//     forward       it sums its inputs' share of the logits; sums pass over the lanes, then over
//     the
//                   warps through shared memory
//     loss          warp s judges sample s and leaves its deltas in shared memory
//     back          it makes its inputs' share of dW and of delta_below from the same registers
//
// So A and W are read once, and a round of samples has two barriers.
#include <algorithm>

#include "device/gpu/head.h"

namespace {

/// A thread's inputs and a round's samples, as registers allow.
constexpr int most_inputs = sizeof(nn_real) == 4 ? 4 : 2;
constexpr int most_samples = sizeof(nn_real) == 4 ? 8 : 4;
static_assert(most_samples <= head_warps);

/// A block's shared memory: 44 KiB.
struct NarrowMemory {
    nn_real w[most_inputs * head_threads * group_classes];  ///< as it lies in global memory
    Group sums[most_samples][head_warps];                   ///< each warp's share of the logits
    Group delta[most_samples];                              ///< logits, then deltas
    double loss[head_warps];
};

/// What a thread has of its inputs.
struct Columns {
    Group at[most_inputs];
};
/// A thread's activations of a round's samples.
struct Activations {
    nn_real at[most_samples][most_inputs];
};

__device__ __forceinline__ int input_of_thread(int i) { return this_thread() + i * head_threads; }

/// W from global memory, by neighbouring addresses, and from shared memory a thread's columns. Rows
/// that do not exist are zeros.
__device__ __forceinline__ Columns load_columns(const Head& head, NarrowMemory& memory) {
    constexpr int each = most_inputs * group_classes;
    const int all = head.k * head.classes;
    nn_real share[each];
#pragma unroll
    for (int r = 0; r < each; ++r) {
        const int e = this_thread() + r * head_threads;
        share[r] = e < all ? head.w[e] : nn_real{0};
    }
#pragma unroll
    for (int r = 0; r < each; ++r) memory.w[this_thread() + r * head_threads] = share[r];
    __syncthreads();  // W is complete before anybody reads it
    Columns columns;
#pragma unroll
    for (int i = 0; i < most_inputs; ++i)
#pragma unroll
        for (int c = 0; c < group_classes; ++c)
            columns.at[i].at[c] = input_of_thread(i) < head.k && c < head.classes
                                      ? memory.w[input_of_thread(i) * head.classes + c]
                                      : nn_real{0};
    return columns;
}

/// Of `count` samples from `first` on; zeros elsewhere.
__device__ __forceinline__ Activations fetch_activations(const Head& head, int first, int count) {
    Activations a;
#pragma unroll
    for (int s = 0; s < most_samples; ++s)
#pragma unroll
        for (int i = 0; i < most_inputs; ++i)
            a.at[s][i] = s < count && input_of_thread(i) < head.k
                             ? head.a.activations[position(input_of_thread(i), first + s, head.k)]
                             : nn_real{0};
    return a;
}

/// The logits of a round, in memory.delta. Mapping: sample s ends in warp s, whose lane c adds the
/// warps' shares of class c, first to last.
__device__ __forceinline__ void compute_logits(const Head& head, int count, const Columns& w,
                                               const Activations& a, NarrowMemory& memory) {
    const int lane = this_thread() % 32, warp = this_thread() / 32;
#pragma unroll
    for (int s = 0; s < most_samples; ++s) {
        if (s >= count) break;  // the whole block
        nn_real sums[group_classes] = {};
#pragma unroll
        for (int i = 0; i < most_inputs; ++i)
#pragma unroll
            for (int c = 0; c < group_classes; ++c) sums[c] += w.at[i].at[c] * a.at[s][i];
        const nn_real sum = sum_over_lanes<16>(sums, lane);
        const int c = place_of_lane<16, group_classes>(lane);
        if (c < group_classes && lane % 2 == 0) memory.sums[s][warp].at[c] = sum;
    }
    __syncthreads();  // all warps' shares are there before a sample's warp adds them
    if (warp >= count || lane >= group_classes) return;
    nn_real z = 0;
#pragma unroll
    for (int v = 0; v < head_warps; ++v) z += memory.sums[warp][v].at[lane];
    memory.delta[warp].at[lane] = lane < head.classes ? z + head.bias[lane] : nn_real{0};
}

/// delta_below of a round, and its share of dW, which is added to `dw`.
template <class F>
__device__ __forceinline__ void go_back(const Head& head, int first, int count, const Columns& w,
                                        const Activations& a, Columns& dw,
                                        const NarrowMemory& memory) {
#pragma unroll
    for (int s = 0; s < most_samples; ++s) {
        if (s >= count) break;  // the whole block
        const Group delta = memory.delta[s];
#pragma unroll
        for (int i = 0; i < most_inputs; ++i) {
            nn_real below = 0;
#pragma unroll
            for (int c = 0; c < group_classes; ++c) {
                below += w.at[i].at[c] * delta.at[c];
                dw.at[i].at[c] += delta.at[c] * a.at[s][i];
            }
            if (head.delta_below != nullptr && input_of_thread(i) < head.k)
                head.delta_below[position(input_of_thread(i), first + s, head.k)] =
                    below * F::slope(a.at[s][i]);
        }
    }
}

/// [dW|db] to the block's part of the gradient, dW by neighbouring addresses. Nobody reads W in
/// shared memory any more but the thread that replaces it.
__device__ __forceinline__ void store_gradient(const Head& head, const Columns& dw, nn_real db,
                                               NarrowMemory& memory) {
    const int all = head.k * head.classes;
    nn_real* const gradient = head.gradient + static_cast<std::size_t>(blockIdx.x) *
                                                  position(0, head.k + 1, head.classes);
#pragma unroll
    for (int i = 0; i < most_inputs; ++i)
#pragma unroll
        for (int c = 0; c < group_classes; ++c)
            if (input_of_thread(i) < head.k && c < head.classes)
                memory.w[input_of_thread(i) * head.classes + c] = dw.at[i].at[c];
    if (this_thread() < head.classes) gradient[all + this_thread()] = db;
    __syncthreads();  // dW is complete before other threads write it out
    for (int e = this_thread(); e < all; e += head_threads) gradient[e] = memory.w[e];
}

/// Grid: as head_kernel's. db_c is summed by thread c.
template <class F>
__global__ void __launch_bounds__(head_threads, 1) narrow_head_kernel(Head head) {
    wait_for_kernel_before();
    GPU_SHARED(NarrowMemory, memory, );
    const int warp = this_thread() / 32;
    const auto [begin, end] = share_of_block(head.n);
    Activations a = fetch_activations(head, begin, min(most_samples, end - begin));
    const double loss_before = this_thread() == 0 ? head.loss[blockIdx.x] : 0;
    const Columns w = load_columns(head, memory);
    Columns dw{};
    nn_real db = 0;
    double loss = 0;
    for (int first = begin; first < end; first += most_samples) {
        const int count = min(most_samples, end - first);
        if (first > begin) a = fetch_activations(head, first, count);
        compute_logits(head, count, w, a, memory);
        __syncwarp();  // a sample's logits, written by ten lanes of its warp, are read by all 32
        if (warp < count) {
            const nn_real of_sample = judge(head, first + warp, &memory.delta[warp]);
            if (has_targets(head)) loss += static_cast<double>(of_sample);
        }
        let_next_kernel_start();
        __syncthreads();  // all deltas are there, and nobody reads the warps' shares any more
        if (head.gradient == nullptr) continue;
        go_back<F>(head, first, count, w, a, dw, memory);
        if (this_thread() < head.classes)
            for (int s = 0; s < count; ++s) db += memory.delta[s].at[this_thread()];
    }
    if (head.gradient != nullptr) store_gradient(head, dw, db, memory);
    add_losses(head, loss, loss_before, memory.loss);
}

}  // namespace

bool is_narrow(const Head& head) {
    return head.a.activations != nullptr && head.classes <= group_classes &&
           head.k <= most_inputs * head_threads;
}

void launch_narrow_head(const Gpu& gpu, const Head& head, int blocks) {
    std::visit(
        [&]<class F>(F) {
            gpu_start(gpu, narrow_head_kernel<F>, dim3(static_cast<unsigned>(blocks)),
                      dim3(head_threads), head);
        },
        head.below);
}
