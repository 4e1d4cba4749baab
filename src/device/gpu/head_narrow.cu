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

/// The most inputs of a thread and samples of a round, as registers allow.
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
template <int Inputs>
struct Columns {
    Group at[Inputs];
};
/// A thread's activations of a round's samples.
template <int Inputs, int Samples>
struct Activations {
    nn_real at[Samples][Inputs];
};

__device__ __forceinline__ int input_of_thread(int i) { return this_thread() + i * head_threads; }

/// W from global memory, by neighbouring addresses, and from shared memory a thread's columns. Rows
/// that do not exist are zeros.
template <int Inputs>
__device__ __forceinline__ Columns<Inputs> load_columns(const Head& head, NarrowMemory& memory) {
    constexpr int each = Inputs * group_classes;
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
    Columns<Inputs> columns;
#pragma unroll
    for (int i = 0; i < Inputs; ++i)
#pragma unroll
        for (int c = 0; c < group_classes; ++c)
            columns.at[i].at[c] = input_of_thread(i) < head.k && c < head.classes
                                      ? memory.w[input_of_thread(i) * head.classes + c]
                                      : nn_real{0};
    return columns;
}

/// Of `count` samples from `first` on; zeros elsewhere.
template <int Inputs, int Samples>
__device__ __forceinline__ Activations<Inputs, Samples> fetch_activations(const Head& head,
                                                                          int first, int count) {
    Activations<Inputs, Samples> a;
#pragma unroll
    for (int s = 0; s < Samples; ++s)
#pragma unroll
        for (int i = 0; i < Inputs; ++i)
            a.at[s][i] = s < count && input_of_thread(i) < head.k
                             ? head.a.activations[position(input_of_thread(i), first + s, head.k)]
                             : nn_real{0};
    return a;
}

/// The logits of a round, in memory.delta; zeros where there is no sample. All samples' sums pass
/// over the lanes side by side, for one alone waits for each shuffle. Mapping: sample s ends in
/// warp s, whose lane c adds the warps' shares of class c, first to last.
template <int Inputs, int Samples>
__device__ __forceinline__ void compute_logits(const Head& head, int count,
                                               const Columns<Inputs>& w,
                                               const Activations<Inputs, Samples>& a, nn_real bias,
                                               NarrowMemory& memory) {
    const int lane = this_thread() % 32, warp = this_thread() / 32;
    nn_real sums[Samples];
#pragma unroll
    for (int s = 0; s < Samples; ++s) {
        nn_real mine[group_classes] = {};
#pragma unroll
        for (int i = 0; i < Inputs; ++i)
#pragma unroll
            for (int c = 0; c < group_classes; ++c) mine[c] += w.at[i].at[c] * a.at[s][i];
        sums[s] = sum_over_lanes<16>(mine, lane);
    }
    const int c = place_of_lane<16, group_classes>(lane);
#pragma unroll
    for (int s = 0; s < Samples; ++s)
        if (c < group_classes && lane % 2 == 0) memory.sums[s][warp].at[c] = sums[s];
    __syncthreads();  // all warps' shares are there before a sample's warp adds them
    if (warp >= Samples || lane >= group_classes) return;
    nn_real z = 0;
#pragma unroll
    for (int v = 0; v < head_warps; ++v) z += memory.sums[warp][v].at[lane];
    memory.delta[warp].at[lane] = warp < count && lane < head.classes ? z + bias : nn_real{0};
}

/// delta_below of a round, and its share of dW, which is added to `dw`. Without a sample, delta and
/// activations are zeros.
template <class F, int Inputs, int Samples>
__device__ __forceinline__ void go_back(const Head& head, int first, int count,
                                        const Columns<Inputs>& w,
                                        const Activations<Inputs, Samples>& a, Columns<Inputs>& dw,
                                        const NarrowMemory& memory) {
#pragma unroll
    for (int s = 0; s < Samples; ++s) {
        const Group delta = memory.delta[s];
#pragma unroll
        for (int i = 0; i < Inputs; ++i) {
            nn_real below = 0;
#pragma unroll
            for (int c = 0; c < group_classes; ++c) {
                below += w.at[i].at[c] * delta.at[c];
                dw.at[i].at[c] += delta.at[c] * a.at[s][i];
            }
            if (head.delta_below != nullptr && s < count && input_of_thread(i) < head.k)
                head.delta_below[position(input_of_thread(i), first + s, head.k)] =
                    below * F::slope(a.at[s][i]);
        }
    }
}

/// [dW|db] to the block's part of the gradient, dW by neighbouring addresses. Nobody reads W in
/// shared memory any more but the thread that replaces it.
template <int Inputs>
__device__ __forceinline__ void store_gradient(const Head& head, const Columns<Inputs>& dw,
                                               nn_real db, NarrowMemory& memory) {
    const int all = head.k * head.classes;
    nn_real* const gradient = head.gradient + static_cast<std::size_t>(blockIdx.x) *
                                                  position(0, head.k + 1, head.classes);
#pragma unroll
    for (int i = 0; i < Inputs; ++i)
#pragma unroll
        for (int c = 0; c < group_classes; ++c)
            if (input_of_thread(i) < head.k && c < head.classes)
                memory.w[input_of_thread(i) * head.classes + c] = dw.at[i].at[c];
    if (this_thread() < head.classes) gradient[all + this_thread()] = db;
    __syncthreads();  // dW is complete before other threads write it out
#pragma unroll
    for (int r = 0; r < Inputs * group_classes; ++r) {
        const int e = this_thread() + r * head_threads;
        if (e < all) gradient[e] = memory.w[e];
    }
}

/// Grid: as head_kernel's, with at most `Samples` samples in a round. db_c is summed by thread c.
template <class F, int Inputs, int Samples>
__global__ void __launch_bounds__(head_threads, 1) narrow_head_kernel(Head head) {
    wait_for_kernel_before();
    GPU_SHARED(NarrowMemory, memory, );
    const int lane = this_thread() % 32, warp = this_thread() / 32;
    const auto [begin, end] = share_of_block(head.n);
    auto a = fetch_activations<Inputs, Samples>(head, begin, min(Samples, end - begin));
    const nn_real bias = lane < head.classes ? head.bias[lane] : nn_real{0};
    const double loss_before = this_thread() == 0 ? head.loss[blockIdx.x] : 0;
    const auto w = load_columns<Inputs>(head, memory);
    Columns<Inputs> dw{};
    nn_real db = 0;
    double loss = 0;
    for (int first = begin; first < end; first += Samples) {
        const int count = min(Samples, end - first);
        if (first > begin) a = fetch_activations<Inputs, Samples>(head, first, count);
        compute_logits(head, count, w, a, bias, memory);
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
#pragma unroll
            for (int s = 0; s < Samples; ++s) db += memory.delta[s].at[this_thread()];
    }
    if (head.gradient != nullptr) store_gradient(head, dw, db, memory);
    add_losses(head, loss, loss_before, memory.loss);
}

template <class F, int Inputs>
void launch_with(const Gpu& gpu, const Head& head, int blocks) {
    constexpr int few = most_samples / 2;
    gpu_start(gpu,
              head.n > blocks * few ? narrow_head_kernel<F, Inputs, most_samples>
                                    : narrow_head_kernel<F, Inputs, few>,
              dim3(static_cast<unsigned>(blocks)), dim3(head_threads), head);
}

}  // namespace

bool is_narrow(const Head& head) {
    return head.a.activations != nullptr && head.classes <= group_classes &&
           head.k <= most_inputs * head_threads;
}

void launch_narrow_head(const Gpu& gpu, const Head& head, int blocks) {
    std::visit(
        [&]<class F>(F) {
            if (head.k <= head_threads)
                launch_with<F, 1>(gpu, head, blocks);
            else
                launch_with<F, most_inputs>(gpu, head, blocks);
        },
        head.below);
}
