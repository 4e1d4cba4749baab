// persistent.cu: see persistent.h.
//
//     all steps of an epoch in one launch of one block a multiprocessor, here of two units each:
//
//     block 0     rows 0, 1 of W1     W2, all of it     the pixels of the batch  \  in its shared
//     block 1     rows 2, 3 of W1     W2, all of it     the pixels of the batch  /  memory
//     ...
//
//     a step of a block, while the pixels of the next step come:
//
//       z = own rows of W1 X             16 warps share the inputs
//       a = f(z), published  ------->    exchange in L2: words of 3 activations and the step
//       W2 of the step before            by every block, so that nobody sends it
//       all activations looked at <---   until each word has this step's number
//       logits, loss, deltas             by every block, of the same numbers
//       delta of own rows, own rows of W1
//
// The exchange has two halves, by turns. A block publishes step s + 2 where s lay only after it has
// seen all of s + 1, and each block has published that after it had read all of s. The memory is
// zeroed before its first use, and no number is used twice, so no word is taken for another's.
// Sums over inputs and over units are shared by 16 warps, whatever the number of blocks, and added
// in one order: so GPUs of all sizes give the same bits.
#include "device/gpu/persistent.h"

#include <limits>
#include <variant>

#include "device/gpu/persistent_step.h"

namespace persistent {
namespace {

/// Parameters from global memory. Rows that do not exist, and classes, are zeros and stay zeros.
template <int R>
__device__ __forceinline__ void load_parameters(const Work& work, const Memory& m,
                                                const Units& units) {
    const nn_real *const w1 = work.steps.p, *const b1 = w1 + position(0, work.inputs, work.hidden);
    const nn_real* const w2 = b1 + work.hidden;  // b2 lies behind it, as one more unit's would
    for (int e = this_thread(); e < R * work.inputs; e += threads) {
        const int r = e / work.inputs, k = e % work.inputs;
        m.w1[e / 4].at[e % 4] =
            r < units.own ? w1[position(units.first + r, k, work.hidden)] : nn_real{0};
    }
    if (this_thread() < R)
        m.b1[this_thread()] =
            this_thread() < units.own ? b1[units.first + this_thread()] : nn_real{0};
    for (int e = this_thread(); e < (work.hidden + 1) * group_classes; e += threads) {
        const int h = e / group_classes, c = e % group_classes;
        m.w2[h].at[c] = c < work.classes ? w2[position(c, h, work.classes)] : nn_real{0};
    }
}

__device__ __forceinline__ void store_inputs(const Work& work, const Memory& m,
                                             const Units& units) {
    nn_real *const w1 = work.steps.p, *const b1 = w1 + position(0, work.inputs, work.hidden);
    for (int e = this_thread(); e < units.own * work.inputs; e += threads)
        w1[position(units.first + e / work.inputs, e % work.inputs, work.hidden)] =
            m.w1[e / 4].at[e % 4];
    if (this_thread() < units.own) b1[units.first + this_thread()] = m.b1[this_thread()];
}

/// What all blocks have alike, by one of them.
__device__ __forceinline__ void store_outputs(const Work& work, const Memory& m, double loss) {
    nn_real* const w2 = work.steps.p + position(0, work.inputs + 1, work.hidden);
    for (int e = this_thread(); e < (work.hidden + 1) * work.classes; e += threads)
        w2[e] = m.w2[e / work.classes].at[e % work.classes];
    if (this_lane() == 0 && work.steps.counts_losses) work.steps.loss[this_warp()] = loss;
}

/// Grid: plan.blocks blocks of 16 warps, all resident; block i has the units R i .. R i + R - 1.
/// Memory: persistent_memory.h. After a launch in which a block gave up, the parameters are of no
/// use: the blocks that did not wait for the late one have written theirs.
template <class F, int R>
__global__ void __launch_bounds__(threads, 1) persistent_kernel(Work work) {
    GPU_DYNAMIC_SHARED(bytes);
    const Memory m = memory_at(bytes, R, work.inputs, work.hidden, work.batch);
    const Units units{static_cast<int>(blockIdx.x) * R,
                      min(R, work.hidden - static_cast<int>(blockIdx.x) * R)};
    const std::size_t count = work.steps.count, batch = static_cast<std::size_t>(work.steps.batch);
    const auto samples_from = [&](std::size_t first) {
        return first >= count ? 0 : static_cast<int>(min(batch, count - first));
    };
    load_parameters<R>(work, m, units);
    double loss = work.steps.loss[this_warp()];
    copy_pixels(work, m, m.pixels, 0, samples_from(0));
    copy_async_wait<0>();
    __syncthreads();  // parameters and the first pixels are there

    unsigned step = work.first_step;
    int before = 0;  // samples of the step before
    std::size_t first = 0;
    do {
        const int n = samples_from(first), half = work.batch * m.pixel_pitch;
        const int turn = static_cast<int>((step - work.first_step) % 2);
        const unsigned* const pixels = m.pixels + turn * half;
        const bool is_last = first + batch >= count;
        copy_pixels(work, m, m.pixels + (1 - turn) * half, first + batch,
                    samples_from(first + batch));
        for (int j = this_thread(); j < n; j += threads) m.labels[j] = work.steps.labels[first + j];
        sum_inputs<R>(work, m, pixels, n);
        __syncthreads();  // every warp's share of z is there
        publish_activations<F, R>(work, m, units, n, step);
        if (first > 0) update_outputs(work, m, before);
        __syncthreads();  // the last step's activations are read before this step's replace them
        const bool is_late = !gather_activations(work, m, n, step);
        if (__syncthreads_or(is_late)) {  // all activations are there, and W2 is new
            if (this_thread() == 0) take_ticket(work.gave_up, ~0u);
            copy_async_wait<0>();
            return;
        }
        sum_units(work, m, n);
        __syncthreads();  // every warp's share of the logits is there
        judge_outputs(work, m, n, is_last ? work.steps.last : work.steps.scale,
                      is_last && blockIdx.x == 0 ? work.steps.yhat : nullptr, loss);
        __syncthreads();  // the deltas of all samples are there
        compute_below<F>(work, m, units, n);
        __syncthreads();  // the deltas of own units are there
        update_inputs<R>(work, m, pixels, units, n);
        copy_async_wait<0>();
        __syncthreads();  // W1 is new, the next pixels are there, and nobody reads these any more
        before = n;
        first += batch;
        ++step;
    } while (first < count);
    update_outputs(work, m, before);
    store_inputs(work, m, units);
    // W2 may be written only after every block has read it, which the last ticket tells.
    if (this_thread() == 0) *m.ticket = take_ticket(work.ended, gridDim.x);
    __syncthreads();  // the ticket is there, and W2 is new
    if (*m.ticket == gridDim.x - 1) store_outputs(work, m, loss);
}

using Kernel = void (*)(Work);
template <class F>
Kernel kernel_with(int rows) {
    return rows == 1   ? persistent_kernel<F, 1>
           : rows == 2 ? persistent_kernel<F, 2>
                       : persistent_kernel<F, 4>;
}
Kernel kernel_for(const Activation& activation, int rows) {
    return std::visit([&]<class F>(F) { return kernel_with<F>(rows); }, activation);
}

}  // namespace
}  // namespace persistent

using namespace persistent;

PersistentPlan plan_persistent(int multiprocessors, int inputs, int hidden, int batch) {
    for (const int rows : {1, 2, 4})
        if (const int blocks = ceil_div(hidden, rows); blocks <= multiprocessors)
            return {rows, blocks, memory_at(nullptr, rows, inputs, hidden, batch).bytes};
    return {};
}

std::string PersistentKernel::why_not(const ReplicaShape& shape, const CudaSettings& settings,
                                      const GpuChip& chip) {
    const Layout& layout = shape.layout;
    if (settings.several_ranks || settings.shares_device)
        return "it is for one rank that sums nothing";
    if (layout.layers() != 2) return "it takes one hidden layer";
    if (layout.classes() > group_classes)
        return "it takes " + std::to_string(group_classes) + " outputs at most";
    if (shape.format != SampleFormat{}) return "it takes images with labels";
    if (layout.inputs() % 4 != 0) return "it takes a multiple of four inputs";
    if (shape.objective != Objective{}) return "it takes softmax with cross-entropy";
    if (shape.moments > 0) return "it takes plain descent";
    if (is_small(shape.precision)) return "it multiplies in float";
    const auto ask = [&](cudaDeviceAttr which) {
        int value = 0;
        GPU_CHECK(cudaDeviceGetAttribute(&value, which, settings.device));
        return value;
    };
    if (chip.capability < 80 || ask(cudaDevAttrCooperativeLaunch) == 0)
        return "it needs compute capability 8.0 and cooperative launches";
    const PersistentPlan plan = plan_persistent(chip.multiprocessors, layout.inputs(),
                                                layout.size(1), settings.persistent_batch);
    const std::string multiprocessors = std::to_string(chip.multiprocessors) + " multiprocessors";
    if (plan.rows == 0) return "it takes at most four hidden units for each of " + multiprocessors;
    const int most = ask(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    if (plan.shared_bytes > static_cast<std::size_t>(most))
        return "it needs " + std::to_string(plan.shared_bytes / 1024 + 1) +
               " KiB of shared memory, and a block has " + std::to_string(most / 1024);
    const Kernel kernel = kernel_for(shape.activation, plan.rows);
    int each = 0;
    GPU_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(plan.shared_bytes)));
    GPU_CHECK(
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, threads, plan.shared_bytes));
    if (each * chip.multiprocessors < plan.blocks)
        return "its blocks do not fit on " + multiprocessors + " at once";
    return "";
}

PersistentKernel::PersistentKernel(const ReplicaShape& shape, int batch, const Gpu& gpu,
                                   unsigned first_step)
    : gpu_(gpu),
      layout_(shape.layout),
      activation_(shape.activation),
      batch_(batch),
      pixel_scale_(shape.pixel_scale),
      plan_(plan_persistent(gpu.chip.multiprocessors, layout_.inputs(), layout_.size(1), batch_)),
      exchange_(2 * elements(layout_.size(1), ceil_div(batch_, values_of_word))),
      counters_(2),
      next_step_(first_step) {
    GPU_CHECK(cudaFuncSetAttribute(kernel_for(activation_, plan_.rows),
                                   cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(plan_.shared_bytes)));
    exchange_.fill_bytes(0, gpu_.stream);  // no step has the number 0
    counters_.fill_bytes(0, gpu_.stream);
}

unsigned PersistentKernel::numbers_for(std::size_t steps) {
    if (steps > std::numeric_limits<unsigned>::max() - next_step_) {
        exchange_.fill_bytes(0, gpu_.stream);
        next_step_ = 1;
    }
    const unsigned first = next_step_;
    next_step_ += static_cast<unsigned>(steps);
    return first;
}

void PersistentKernel::run(const PersistentSteps& steps) {
    const auto batch = static_cast<std::size_t>(steps.batch);
    const std::size_t count = std::max<std::size_t>(1, (steps.count + batch - 1) / batch);
    const Work work{.inputs = layout_.inputs(),
                    .hidden = layout_.size(1),
                    .classes = layout_.classes(),
                    .batch = batch_,
                    .pixel_scale = pixel_scale_,
                    .steps = steps,
                    .first_step = numbers_for(count),
                    .exchange = exchange_.data(),
                    .half = exchange_.size() / 2,
                    .ended = counters_.data(),
                    .gave_up = counters_.data() + 1,
                    .most_cycles = most_cycles};
    GPU_CHECK(gpu_launch_together(kernel_for(activation_, plan_.rows),
                                  dim3(static_cast<unsigned>(plan_.blocks)), dim3(threads),
                                  plan_.shared_bytes, gpu_.stream, work));
}

void PersistentKernel::check() const {
    if (counters_.download(gpu_.stream)[1] == 0) return;
    throw Failure(__FILE__, __LINE__, "persistent_kernel",
                  "a block waited ten seconds for another one, which did not come",
                  "run again with --gemm auto, or under compute-sanitizer to find the cause");
}
