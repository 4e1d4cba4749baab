// head.cu: the output layer, the loss and the way back through that layer, in one kernel.
//
// The head is little work on data that is already there: one by one, its product, softmax, loss and
// three backward products would take six launches, each longer than what it computes. So a block
// takes a run of samples through all of it and keeps their deltas in shared memory. Blocks share
// nothing: each writes its own part of [dW|db], which gpu_update adds up in their order. This
// kernel takes any number of classes and inputs, W in windows; head_narrow.cu is for what most
// networks have.
#include "device/gpu/head.h"

#include <algorithm>
#include <type_traits>

namespace {

constexpr int threads = 256, warps = threads / 32;

/// W is worked on in windows of so many columns (inputs): in the backward pass one a thread.
constexpr int window_inputs = threads;
/// Deltas of so many groups are held at once.
constexpr int held_groups = 16384 / static_cast<int>(sizeof(Group));

/// A block's shared memory: 28 KiB in float, 36 KiB in double.
struct HeadMemory {
    Group window[window_inputs];  ///< W's columns; on the way out, dW's
    Group delta[held_groups];     ///< [sample][group]: logits, then deltas
    double loss[warps];
};

/// Samples first .. first + count - 1, at which a block works at a time.
struct Samples {
    int first, count;
};

__host__ __device__ constexpr int groups_of(int classes) {
    return ceil_div(classes, group_classes);
}
/// A's columns, as activations or as pixels, and the number that one of its elements stands for.
template <class In>
__device__ __forceinline__ const In* column_of(const Head& head, int sample) {
    if constexpr (std::is_same_v<In, nn_real>)
        return head.a.activations + position(0, sample, head.k);
    else
        return head.a.pixels + position(0, sample, head.k);
}
template <class In>
__device__ __forceinline__ nn_real number(const Head& head, In value) {
    if constexpr (std::is_same_v<In, nn_real>)
        return value;
    else
        return head.a.scale * static_cast<nn_real>(value);
}

/// A thread's share of a window of W, on its way.
struct WindowShare {
    nn_real at[group_classes];
};
/// The number of the window that begins with column `first` of a group's classes.
__device__ __forceinline__ int window_of(const Head& head, int group, int first) {
    return group * ceil_div(head.k, window_inputs) + first / window_inputs;
}
/// Asks for it. Mapping: threads take neighbouring elements, which for ten classes are neighbouring
/// addresses; all ten loads of a thread are under way at once.
__device__ __forceinline__ WindowShare fetch_window(const Head& head, int group, int first) {
    const int inputs = min(window_inputs, head.k - first);
    WindowShare share;
#pragma unroll
    for (int r = 0; r < group_classes; ++r) {
        const int e = this_thread() + r * threads, i = e / group_classes;
        const int row = group * group_classes + e % group_classes;
        const bool inside = i < inputs && row < head.classes;
        share.at[r] = inside ? head.w[position(row, first + i, head.classes)] : nn_real{0};
    }
    return share;
}
/// Puts it in the place of the window before.
__device__ __forceinline__ void put_window(const Head& head, int first, const WindowShare& share,
                                           HeadMemory& memory) {
    const int inputs = min(window_inputs, head.k - first);
    __syncthreads();  // nobody reads the window as it was
#pragma unroll
    for (int r = 0; r < group_classes; ++r) {
        const int e = this_thread() + r * threads;
        if (e / group_classes < inputs)
            memory.window[e / group_classes].at[e % group_classes] = share.at[r];
    }
    __syncthreads();  // the window is complete before anybody reads it
}

/// memory.delta = W A + b.
/// Mapping: sample j belongs to warp j % 8, which takes Columns of its samples at a time, so that
/// what it reads of W serves them all. Lane l sums over the inputs l, l + 32, ...; then the lanes'
/// sums are added, in the same order whatever Columns is. A warp without a sample only helps to
/// load. A window's inputs are asked for before its barrier, and the next window before the sums.
template <class In, int Columns>
__device__ __forceinline__ void compute_logits(const Head& head, Samples samples, int group,
                                               int first_column, HeadMemory& memory,
                                               int& in_window) {
    const int lane = this_thread() % 32, warp = this_thread() / 32;
    const In* columns[Columns];  // beyond the last sample, the last again, which goes nowhere
#pragma unroll
    for (int s = 0; s < Columns; ++s)
        columns[s] = column_of<In>(
            head, samples.first + min(first_column + s * warps + warp, samples.count - 1));
    const int mine = samples.count - first_column - warp;  // samples from the warp's first on
    constexpr int each = window_inputs / 32;               // inputs of a lane in a window
    // Of these so many are on their way at a time, as registers allow.
    constexpr int together = Columns == 1 ? each : 16 / static_cast<int>(sizeof(nn_real));
    nn_real sum[Columns][group_classes] = {};
    WindowShare next{};
    if (in_window != window_of(head, group, 0)) next = fetch_window(head, group, 0);
    for (int first = 0; first < head.k; first += window_inputs) {
        const int inputs = mine > 0 ? min(window_inputs, head.k - first) : 0;
        In a[Columns][together];
        const auto fetch = [&](int begin) {
#pragma unroll
            for (int i = 0; i < together; ++i)
#pragma unroll
                for (int s = 0; s < Columns; ++s) {
                    const int at = lane + 32 * (begin + i);
                    a[s][i] = at < inputs ? columns[s][first + at] : In{0};
                }
        };
        fetch(0);
        if (in_window != window_of(head, group, first)) put_window(head, first, next, memory);
        in_window = window_of(head, group, first);
        if (first + window_inputs < head.k) next = fetch_window(head, group, first + window_inputs);
#pragma unroll
        for (int begin = 0; begin < each; begin += together) {
            if (begin > 0) fetch(begin);
#pragma unroll
            for (int i = 0; i < together; ++i) {
                const int at = lane + 32 * (begin + i);
                if (at >= inputs) break;
                const Group w = memory.window[at];
#pragma unroll
                for (int s = 0; s < Columns; ++s) {
                    const nn_real value = number(head, a[s][i]);
#pragma unroll
                    for (int c = 0; c < group_classes; ++c) sum[s][c] += w.at[c] * value;
                }
            }
        }
    }
#pragma unroll
    for (int s = 0; s < Columns; ++s) {
        if (s * warps >= mine) break;  // the whole warp
        const nn_real z = sum_over_lanes<16>(sum[s], lane);
        const int c = place_of_lane<16, group_classes>(lane), row = group * group_classes + c;
        if (c < group_classes && lane % 2 == 0)
            memory.delta[(first_column + s * warps + warp) * groups_of(head.classes) + group]
                .at[c] = row < head.classes ? z + head.bias[row] : nn_real{0};
    }
}

/// Eight samples' elements of A for one input, on their way.
struct Eight {
    static constexpr int count = 8;
    nn_real at[count];
};
/// Of the samples from `first` on; beyond the last sample, the last again.
template <class In>
__device__ __forceinline__ Eight fetch_eight(const Head& head, Samples samples, int first, int i) {
    Eight a;
#pragma unroll
    for (int s = 0; s < Eight::count; ++s)
        a.at[s] =
            number(head, column_of<In>(head, samples.first + min(first + s, samples.count - 1))[i]);
    return a;
}

/// For one input i and one group of classes: delta_below of the samples, and dW, the group's sums
/// of delta_cj a_ij, which are returned. w: W's column; a: A's elements of the first samples.
/// Mapping: a thread; its neighbours have neighbouring inputs, so that they read and write
/// neighbouring addresses, and all read the same delta. The next eight elements of A are asked for
/// before these are used. delta_below grows by a group at a time, in global memory, where no other
/// thread touches it, and takes the slope with the last.
template <class In, class F>
__device__ __forceinline__ Group differentiate(const Head& head, Samples samples, int group, int i,
                                               const Group& w, Eight a, const HeadMemory& memory) {
    const int groups = groups_of(head.classes);
    Group dw = {};
    for (int first = 0; first < samples.count; first += Eight::count) {
        Eight next = a;
        if (first + Eight::count < samples.count)
            next = fetch_eight<In>(head, samples, first + Eight::count, i);
#pragma unroll
        for (int s = 0; s < Eight::count; ++s) {
            const int j = first + s;
            if (j >= samples.count) break;
            const Group delta = memory.delta[j * groups + group];
            nn_real below = 0;
#pragma unroll
            for (int c = 0; c < group_classes; ++c) {
                below += w.at[c] * delta.at[c];
                dw.at[c] += delta.at[c] * a.at[s];
            }
            if (head.delta_below == nullptr) continue;
            nn_real& out = head.delta_below[position(i, samples.first + j, head.k)];
            if (group > 0) below += out;
            out = group + 1 < groups ? below : below * F::slope(a.at[s]);
        }
        a = next;
    }
    return dw;
}

/// The first column of the last window.
__device__ __forceinline__ int last_window(const Head& head) {
    return (head.k - 1) / window_inputs * window_inputs;
}

/// delta_below and the samples' share of [dW|db], which is added to `gradient`, or, with the
/// block's first samples, begins it. a: of the last window's inputs and the first samples.
/// Mapping: thread t of a window has its input t: it replaces W's column there by dW's. The window
/// then goes to memory as it came. Windows come last to first, for the last one is still there.
/// db_c is summed by thread 255 - c mod 256: with few inputs and classes, a thread that has no
/// input.
template <class In, class F>
__device__ __forceinline__ void go_back(const Head& head, Samples samples, bool begins,
                                        nn_real* gradient, Eight a, HeadMemory& memory,
                                        int& in_window) {
    const int groups = groups_of(head.classes), t = this_thread();
    const auto put = [&](int row, int column, nn_real value) {
        nn_real& out = gradient[position(row, column, head.classes)];
        out = begins ? value : out + value;
    };
    for (int c = threads - 1 - t; c < head.classes; c += threads) {
        nn_real sum = 0;
        for (int j = 0; j < samples.count; ++j)
            sum += memory.delta[j * groups + c / group_classes].at[c % group_classes];
        put(c, head.k, sum);
    }
    WindowShare next{};
    if (in_window != window_of(head, 0, last_window(head)) && head.k > 0)
        next = fetch_window(head, 0, last_window(head));
    for (int group = 0; group < groups; ++group)
        for (int first = last_window(head); first >= 0; first -= window_inputs) {
            if (in_window != window_of(head, group, first)) put_window(head, first, next, memory);
            in_window = -1;
            const bool ends = first == 0;
            const int next_first = ends ? last_window(head) : first - window_inputs;
            if (!ends || group + 1 < groups)
                next = fetch_window(head, group + (ends ? 1 : 0), next_first);
            const int inputs = min(window_inputs, head.k - first);
            if (t < inputs)
                memory.window[t] = differentiate<In, F>(head, samples, group, first + t,
                                                        Group{memory.window[t]}, a, memory);
            if (next_first + t < head.k && samples.count > 0)
                a = fetch_eight<In>(head, samples, 0, next_first + t);
            __syncthreads();  // the window is dW's before other threads write it out
            for (int e = t; e < inputs * group_classes; e += threads) {
                const int i = e / group_classes, c = e % group_classes;
                const int row = group * group_classes + c;
                if (row < head.classes) put(row, first + i, memory.window[i].at[c]);
            }
        }
}

/// Grid: gpu_head_parts blocks of 256 threads. Each takes its samples through the head, as many at
/// a time as shared memory holds (`held`), and writes its part of the gradient, if that is wanted.
/// A block without samples writes zeros.
template <class In, class F, int Columns>
__global__ void __launch_bounds__(threads, 1) head_kernel(Head head, int held) {
    wait_for_kernel_before();
    GPU_SHARED(HeadMemory, memory, );
    const int part = static_cast<int>(blockIdx.x), groups = groups_of(head.classes);
    const int warp = this_thread() / 32;
    const auto [begin, end] = share_of_block(head.n);
    const std::size_t before =
        static_cast<std::size_t>(part) * position(0, head.k + 1, head.classes);
    // Asked for now, so that nobody waits for it at the end.
    const double loss_before = this_thread() == 0 ? head.loss[part] : 0;
    double loss = 0;
    int in_window = -1, first = begin;
    do {
        const Samples samples{first, min(held, end - first)};
        for (int group = 0; group < groups; ++group)
            for (int j = 0; j < samples.count; j += warps * Columns)
                compute_logits<In, Columns>(head, samples, group, j, memory, in_window);
        Eight a{};  // for the way back
        const int i = last_window(head) + this_thread();
        if (head.gradient != nullptr && i < head.k && samples.count > 0)
            a = fetch_eight<In>(head, samples, 0, i);
        __syncwarp();  // a sample's logits, written by ten lanes of its warp, are read by all 32
        for (int j = warp; j < samples.count; j += warps) {
            const nn_real of_sample = judge(head, first + j, memory.delta + j * groups);
            if (has_targets(head)) loss += static_cast<double>(of_sample);
        }
        let_next_kernel_start();
        __syncthreads();  // all deltas are there before threads go through all samples
        if (head.gradient != nullptr)
            go_back<In, F>(head, samples, first == begin, head.gradient + before, a, memory,
                           in_window);
        __syncthreads();  // every delta has been read before it is replaced by a logit
        first += samples.count;
    } while (first < end);
    add_losses(head, loss, loss_before, memory.loss);
}

/// How many samples' deltas shared memory holds: at least one up to gpu_head_most_classes().
int held_samples(int classes) { return held_groups / groups_of(classes); }

template <class In, class F>
void launch_head(const Gpu& gpu, const Head& head) {
    const int parts = gpu_head_parts(gpu.chip, head.classes, head.n);
    // Where a warp has one sample, it has no use for more sums.
    const auto kernel = head.n > parts * warps ? head_kernel<In, F, 4> : head_kernel<In, F, 1>;
    gpu_start(gpu, kernel, dim3(static_cast<unsigned>(parts)), dim3(threads), head,
              held_samples(head.classes));
}

}  // namespace

int gpu_head_most_classes() { return held_groups * group_classes; }

/// A block for each multiprocessor; more where a block could not hold its samples at once, but no
/// more than four; and at least 4 samples for each, since a part of the gradient costs as much as
/// they do.
int gpu_head_parts(const GpuChip& chip, int classes, int n) {
    const int wanted = std::max(chip.multiprocessors, ceil_div(n, held_samples(classes)));
    const int most = std::min(most_head_parts, 4 * chip.multiprocessors);
    return std::max(1, std::min({wanted, most, ceil_div(n, 4)}));
}

void gpu_head(const Gpu& gpu, const Head& head) {
    if (is_narrow(head))
        launch_narrow_head(gpu, head, gpu_head_parts(gpu.chip, head.classes, head.n));
    else if (head.a.activations != nullptr)
        std::visit([&]<class F>(F) { launch_head<nn_real, F>(gpu, head); }, head.below);
    else  // there is no layer below, so that any activation will do
        launch_head<std::uint8_t, std::variant_alternative_t<0, Activation>>(gpu, head);
}
