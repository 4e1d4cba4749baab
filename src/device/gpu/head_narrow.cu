// head_narrow.cu: the head of a network with at most ten outputs and some hundred units below, in
// one pass.
//
// As in head.cu, a block takes a run of samples through the output layer, the loss and the way
// back. Here a block holds W whole, a thread some inputs of it:
//
//     thread t   inputs t, t + threads, ...: their columns of W and of dW, and their activations
//                of up to eight samples, all in registers
//     forward    its inputs' share of the logits; sums pass over the lanes, then over the warps
//                through shared memory
//     loss       warp s judges sample s and leaves its deltas in shared memory
//     back       its inputs' share of dW and of delta_below, from the same registers
//
// So A and W are read once, and a round of samples has two barriers.
#include <algorithm>

#include "device/gpu/head.h"

/// How a block is cut: its threads, a thread's inputs, and the samples of a round. nvcc wants a
/// name that other files see.
struct HeadCut {
    int threads, inputs, samples;
};

namespace {

template <HeadCut C>
inline constexpr int warps_of = C.threads / 32;
/// As registers allow.
constexpr bool in_float = sizeof(nn_real) == 4;
constexpr int most_samples = in_float ? 8 : 4;
constexpr HeadCut small_cut{256, 1, most_samples}, medium_cut{512, 1, most_samples},
    large_cut{512, in_float ? 2 : 1, most_samples};
constexpr int inputs_of(HeadCut cut) { return cut.threads * cut.inputs; }
constexpr HeadCut with_few_samples(HeadCut cut) {
    return {cut.threads, cut.inputs, cut.samples / 2};
}

/// A block's shared memory: at most 47 KiB.
template <HeadCut C>
struct NarrowMemory {
    nn_real w[C.inputs * C.threads * group_classes];  ///< as it lies in global memory
    Group sums[C.samples][warps_of<C>];               ///< each warp's share of the logits
    Group delta[C.samples];                           ///< logits, then deltas
    double loss[warps_of<C>];
};

/// What a thread has of its inputs.
template <HeadCut C>
struct Columns {
    Group at[C.inputs];
};
/// A thread's activations of a round's samples.
template <HeadCut C>
struct Activations {
    nn_real at[C.samples][C.inputs];
};

template <HeadCut C>
__device__ __forceinline__ int input_of_thread(int i) {
    return this_thread() + i * C.threads;
}

/// W from global memory, by neighbouring addresses, and from shared memory a thread's columns. Rows
/// that do not exist are zeros.
template <HeadCut C>
__device__ __forceinline__ Columns<C> load_columns(const Head& head, NarrowMemory<C>& memory) {
    constexpr int each = C.inputs * group_classes;
    const int all = head.k * head.classes;
    nn_real share[each];
#pragma unroll
    for (int r = 0; r < each; ++r) {
        const int e = this_thread() + r * C.threads;
        share[r] = e < all ? head.w[e] : nn_real{0};
    }
#pragma unroll
    for (int r = 0; r < each; ++r) memory.w[this_thread() + r * C.threads] = share[r];
    __syncthreads();  // W is complete before anybody reads it
    Columns<C> columns;
#pragma unroll
    for (int i = 0; i < C.inputs; ++i)
#pragma unroll
        for (int c = 0; c < group_classes; ++c)
            columns.at[i].at[c] = input_of_thread<C>(i) < head.k && c < head.classes
                                      ? memory.w[input_of_thread<C>(i) * head.classes + c]
                                      : nn_real{0};
    return columns;
}

/// Of `count` samples from `first` on; zeros elsewhere.
template <HeadCut C>
__device__ __forceinline__ Activations<C> fetch_activations(const Head& head, int first,
                                                            int count) {
    Activations<C> a;
#pragma unroll
    for (int s = 0; s < C.samples; ++s)
#pragma unroll
        for (int i = 0; i < C.inputs; ++i)
            a.at[s][i] =
                s < count && input_of_thread<C>(i) < head.k
                    ? head.a.activations[position(input_of_thread<C>(i), first + s, head.k)]
                    : nn_real{0};
    return a;
}

/// The logits of a round, in memory.delta; zeros where there is no sample. All samples' sums pass
/// over the lanes side by side, for one alone waits for each shuffle. Mapping: sample s ends in
/// warp s, whose lane c adds the warps' shares of class c, first to last.
template <HeadCut C>
__device__ __forceinline__ void compute_logits(const Head& head, int count, const Columns<C>& w,
                                               const Activations<C>& a, nn_real bias,
                                               NarrowMemory<C>& memory) {
    const int lane = this_thread() % 32, warp = this_thread() / 32;
    nn_real sums[C.samples];
#pragma unroll
    for (int s = 0; s < C.samples; ++s) {
        nn_real mine[group_classes] = {};
#pragma unroll
        for (int i = 0; i < C.inputs; ++i)
#pragma unroll
            for (int c = 0; c < group_classes; ++c) mine[c] += w.at[i].at[c] * a.at[s][i];
        sums[s] = sum_over_lanes<16>(mine, lane);
    }
    const int c = place_of_lane<16, group_classes>(lane);
#pragma unroll
    for (int s = 0; s < C.samples; ++s)
        if (c < group_classes && lane % 2 == 0) memory.sums[s][warp].at[c] = sums[s];
    __syncthreads();  // all warps' shares are there before a sample's warp adds them
    if (warp >= C.samples || lane >= group_classes) return;
    nn_real z = 0;
#pragma unroll
    for (int v = 0; v < warps_of<C>; ++v) z += memory.sums[warp][v].at[lane];
    memory.delta[warp].at[lane] = warp < count && lane < head.classes ? z + bias : nn_real{0};
}

/// delta_below of a round, and its share of dW, which is added to `dw`. Without a sample, delta and
/// activations are zeros.
template <class F, HeadCut C>
__device__ __forceinline__ void go_back(const Head& head, int first, int count, const Columns<C>& w,
                                        const Activations<C>& a, Columns<C>& dw,
                                        const NarrowMemory<C>& memory) {
#pragma unroll
    for (int s = 0; s < C.samples; ++s) {
        const Group delta = memory.delta[s];
#pragma unroll
        for (int i = 0; i < C.inputs; ++i) {
            nn_real below = 0;
#pragma unroll
            for (int c = 0; c < group_classes; ++c) {
                below += w.at[i].at[c] * delta.at[c];
                dw.at[i].at[c] += delta.at[c] * a.at[s][i];
            }
            if (head.delta_below != nullptr && s < count && input_of_thread<C>(i) < head.k)
                head.delta_below[position(input_of_thread<C>(i), first + s, head.k)] =
                    below * F::slope(a.at[s][i]);
        }
    }
}

/// [dW|db] to the block's part of the gradient, dW by neighbouring addresses. Nobody reads W in
/// shared memory any more but the thread that replaces it.
template <HeadCut C>
__device__ __forceinline__ void store_gradient(const Head& head, const Columns<C>& dw, nn_real db,
                                               NarrowMemory<C>& memory) {
    const int all = head.k * head.classes;
    nn_real* const gradient = head.gradient + static_cast<std::size_t>(blockIdx.x) *
                                                  position(0, head.k + 1, head.classes);
#pragma unroll
    for (int i = 0; i < C.inputs; ++i)
#pragma unroll
        for (int c = 0; c < group_classes; ++c)
            if (input_of_thread<C>(i) < head.k && c < head.classes)
                memory.w[input_of_thread<C>(i) * head.classes + c] = dw.at[i].at[c];
    if (this_thread() < head.classes) gradient[all + this_thread()] = db;
    __syncthreads();  // dW is complete before other threads write it out
#pragma unroll
    for (int r = 0; r < C.inputs * group_classes; ++r) {
        const int e = this_thread() + r * C.threads;
        if (e < all) gradient[e] = memory.w[e];
    }
}

/// Grid: as head_kernel's, with at most C.samples samples in a round. db_c is summed by thread c.
template <class F, HeadCut C>
__global__ void __launch_bounds__(C.threads, 1) narrow_head_kernel(Head head) {
    wait_for_kernel_before();
    GPU_SHARED(NarrowMemory<C>, memory, );
    const int lane = this_thread() % 32, warp = this_thread() / 32;
    const auto [begin, end] = share_of_block(head.n);
    auto a = fetch_activations<C>(head, begin, min(C.samples, end - begin));
    const nn_real bias = lane < head.classes ? head.bias[lane] : nn_real{0};
    const double loss_before = this_thread() == 0 ? head.loss[blockIdx.x] : 0;
    const auto w = load_columns<C>(head, memory);
    Columns<C> dw{};
    nn_real db = 0;
    double loss = 0;
    for (int first = begin; first < end; first += C.samples) {
        const int count = min(C.samples, end - first);
        if (first > begin) a = fetch_activations<C>(head, first, count);
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
            for (int s = 0; s < C.samples; ++s) db += memory.delta[s].at[this_thread()];
    }
    if (head.gradient != nullptr) store_gradient(head, dw, db, memory);
    add_losses(head, loss, loss_before, memory.loss);
}

template <class F, HeadCut C>
void launch_with(const Gpu& gpu, const Head& head, int blocks) {
    constexpr HeadCut few = with_few_samples(C);
    gpu_start(gpu,
              head.n > blocks * few.samples ? narrow_head_kernel<F, C> : narrow_head_kernel<F, few>,
              dim3(static_cast<unsigned>(blocks)), dim3(C.threads), head);
}

}  // namespace

bool is_narrow(const Head& head) {
    return head.a.activations != nullptr && head.classes <= group_classes &&
           head.k <= inputs_of(large_cut);
}

void launch_narrow_head(const Gpu& gpu, const Head& head, int blocks) {
    std::visit(
        [&]<class F>(F) {
            if (head.k <= inputs_of(small_cut))
                launch_with<F, small_cut>(gpu, head, blocks);
            else if (head.k <= inputs_of(medium_cut))
                launch_with<F, medium_cut>(gpu, head, blocks);
            else
                launch_with<F, large_cut>(gpu, head, blocks);
        },
        head.below);
}
