// head.h: what the kernels that compute the output layer have in common: head.cu, head_narrow.cu
// and persistent.cu.
//
// Classes come in groups, a warp takes a sample's logits to its yhat, its loss and its deltas, and
// sums pass between the lanes of a warp in one order. Device code; those three alone include it.
#pragma once
#include "device/gpu/kernels.h"
#include "device/gpu/small.h"

inline constexpr unsigned all_lanes = 0xffffffffu;

/// Classes are worked on ten at a time, in registers: MNIST's are one group. In the last group,
/// classes that do not exist are zeros. The 48 bytes of a group in float, and the 80 in double,
/// bring 8 neighbours in an array to 8 different quarters of the shared memory's banks, so that
/// lanes read them by 16 bytes without conflict.
inline constexpr int group_classes = 10;
struct alignas(16) Group {
    nn_real at[group_classes];
};

__device__ __forceinline__ int this_thread() { return static_cast<int>(threadIdx.x); }

/// Adds up each of Count values over the lanes of a warp, in a fixed order; a lane gets the sum of
/// the value place_of_lane<Step>(lane). Mapping: at each step a lane gives half of its values to
/// the lane Step away and gets the other half's, so that ten take 12 shuffles, where a butterfly
/// for each would take 50.
template <int Step, int Count>
__device__ __forceinline__ nn_real sum_over_lanes(const nn_real (&values)[Count], int lane) {
    if constexpr (Step == 0) {
        static_assert(Count == 1);
        return values[0];
    } else {
        constexpr int half = (Count + 1) / 2;
        const bool upper = Count > 1 && (lane & Step) != 0;
        nn_real kept[half];
#pragma unroll
        for (int c = 0; c < half; ++c) {
            const nn_real low = values[c];
            const nn_real high = Count == 1         ? low
                                 : c + half < Count ? values[c + half]
                                                    : nn_real{0};
            kept[c] = (upper ? high : low) + __shfl_xor_sync(all_lanes, upper ? low : high, Step);
        }
        return sum_over_lanes<Step / 2>(kept, lane);
    }
}
/// Which of Count values a lane gets the sum of; Count or more: of none. Neighbours, which differ
/// in the last bit alone, get the same.
template <int Step, int Count>
__device__ __forceinline__ int place_of_lane(int lane) {
    if constexpr (Count == 1) {
        return 0;
    } else {
        constexpr int half = (Count + 1) / 2;
        const int place = place_of_lane<Step / 2, half>(lane);
        if (place >= half) return Count;
        return (lane & Step) != 0 ? place + half : place;
    }
}

__device__ __forceinline__ nn_real& logit(Group* logits, int c) {
    return logits[c / group_classes].at[c % group_classes];
}

/// The sum over a warp's lanes, by a butterfly: the same bits in every lane.
__device__ __forceinline__ nn_real sum_in_warp(nn_real value) {
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(all_lanes, value, step);
    return value;
}

/// A sample's largest logit, and the sum of exp(z - largest).
struct Exponentials {
    nn_real largest, sum;
};
/// Mapping: one warp; lane l takes the classes l, l + 32, ...; maximum and sum pass between lanes
/// by butterflies. All lanes read the first logit.
__device__ __forceinline__ Exponentials exponentials(const Head& head, Group* logits) {
    const int lane = this_thread() % 32;
    nn_real largest = logit(logits, 0);
    for (int c = lane; c < head.classes; c += 32)
        if (logit(logits, c) > largest) largest = logit(logits, c);
    for (int step = 16; step > 0; step /= 2) {
        const nn_real other = __shfl_xor_sync(all_lanes, largest, step);
        if (other > largest) largest = other;
    }
    nn_real sum = 0;
    for (int c = lane; c < head.classes; c += 32) sum += exp(logit(logits, c) - largest);
    return {largest, sum_in_warp(sum)};
}

/// The default objective with labels: yhat = softmax of a sample's logits, which it replaces by
/// deltas. Returns the sample's loss, log sum exp(z - max) - (z_c - max), which is finite where
/// yhat_c rounds to 0. Mapping: as exponentials().
__device__ __forceinline__ nn_real softmax_cross_entropy(const Head& head, int sample,
                                                         Group* logits) {
    const int label = head.labels[sample];  // asked for first, so that nobody waits for it
    const auto [largest, sum] = exponentials(head, logits);
    const nn_real loss = log(sum) - (logit(logits, label) - largest);
    __syncwarp();  // every lane has read the logit at the label before its lane replaces it
    for (int c = this_thread() % 32; c < head.classes; c += 32) {
        const nn_real yhat = exp(logit(logits, c) - largest) / sum;
        head.yhat[position(c, sample, head.classes)] = yhat;
        logit(logits, c) = (c == label ? yhat - 1 : yhat) * head.scale;
    }
    return loss;
}

/// The same for every other objective, for targets that are numbers, and where there are none: y is
/// 0 then, and only yhat is right. Where the loss is the cross-entropy of sigmoids, -log yhat and
/// -log(1 - yhat) are log(1 + exp(-|z|)), one of them with |z| more. Mapping: as exponentials();
/// then a lane reads and writes its own classes alone, in a first round yhat and what is summed
/// over classes, in a second one the deltas.
__device__ __forceinline__ nn_real other_objective(const Head& head, int sample, Group* logits) {
    const bool softmax = head.objective.output == OutputLayer::softmax;
    const bool mse = head.objective.loss == LossFunction::mse;
    const int lane = this_thread() % 32, k = head.classes;
    const auto target = [&](int c) {
        if (head.targets != nullptr) return head.targets[position(c, sample, k)];
        return static_cast<nn_real>(head.labels != nullptr && c == head.labels[sample] ? 1 : 0);
    };
    nn_real* const yhat = head.yhat + position(0, sample, k);
    Exponentials e{0, 1};
    if (softmax) e = exponentials(head, logits);
    __syncwarp();  // the first logit has been read by every lane before its own replaces it
    const nn_real log_sum = log(e.sum);
    nn_real loss = 0, sum_of_y = 0, mean_error = 0;  // mean_error: weighted by yhat
    for (int c = lane; c < k; c += 32) {
        const nn_real y = target(c), z = logit(logits, c);
        const nn_real seen = softmax ? exp(z - e.largest) / e.sum : 1 / (1 + exp(-z));
        const nn_real error = seen - y;
        yhat[c] = seen;
        sum_of_y += y;
        mean_error += error * seen;
        if (mse) {
            loss += error * error;
        } else if (softmax) {
            loss += y * (log_sum - (z - e.largest));
        } else {
            const nn_real size = z < 0 ? -z : z, least = log1p(exp(-size));
            loss += y * (z < 0 ? least + size : least) + (1 - y) * (z > 0 ? least + size : least);
        }
    }
    loss = sum_in_warp(loss);
    sum_of_y = sum_in_warp(sum_of_y);
    mean_error = sum_in_warp(mean_error);
    const nn_real share = head.scale / static_cast<nn_real>(k);
    for (int c = lane; c < k; c += 32) {
        const nn_real y = target(c), seen = yhat[c], error = seen - y;
        logit(logits, c) =
            mse       ? 2 * share * (seen * (softmax ? error - mean_error : error * (1 - seen)))
            : softmax ? (sum_of_y * seen - y) * head.scale
                      : error * share;
    }
    return softmax && !mse ? loss : loss / static_cast<nn_real>(k);
}

/// The samples [begin, end) of a block. The blocks share them evenly, the first n mod blocks of
/// them have one more.
struct Share {
    int begin, end;
};
__device__ __forceinline__ Share share_of_block(int n) {
    const int part = static_cast<int>(blockIdx.x), blocks = static_cast<int>(gridDim.x);
    const int fair = n / blocks, more = n % blocks, begin = part * fair + min(part, more);
    return {begin, begin + fair + (part < more ? 1 : 0)};
}

/// Whether there is a loss.
__device__ __forceinline__ bool has_targets(const Head& head) {
    return head.labels != nullptr || head.targets != nullptr;
}
/// A sample's yhat and loss; deltas, rounded to head.precision, take the place of its logits.
/// Mapping: as exponentials(). A lane rounds the deltas that it has written.
__device__ __forceinline__ nn_real judge(const Head& head, int sample, Group* logits) {
    const bool by_default = head.objective.output == OutputLayer::softmax &&
                            head.objective.loss == LossFunction::cross_entropy &&
                            head.labels != nullptr;
    const nn_real loss = by_default ? softmax_cross_entropy(head, sample, logits)
                                    : other_objective(head, sample, logits);
    if (head.precision != Precision::fp32)
        for (int c = this_thread() % 32; c < head.classes; c += 32)
            logit(logits, c) = nearest_small(head.precision, logit(logits, c));
    return loss;
}

/// Adds the warps' losses, first to last, to the block's slot. `of_warps` is shared memory, and
/// `before` what the slot held, in thread 0.
template <int Warps>
__device__ __forceinline__ void add_losses(const Head& head, double loss, double before,
                                           double (&of_warps)[Warps]) {
    if (this_thread() % 32 == 0) of_warps[this_thread() / 32] = loss;
    __syncthreads();  // the first thread adds what each warp's first lane wrote
    if (this_thread() > 0) return;
    for (int w = 1; w < Warps; ++w) loss += of_warps[w];
    head.loss[blockIdx.x] = before + loss;
}

/// Whether the kernel of head_narrow.cu takes this: its block holds W whole.
bool is_narrow(const Head& head);
/// By it, with so many blocks.
void launch_narrow_head(const Gpu& gpu, const Head& head, int blocks);
