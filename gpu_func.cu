// gpu_func.cu: a training step on a GPU in seven plain kernels. Their formulas are in gpu_func.h.
//
// A kernel's comment says which thread computes what (mapping), what lies in shared memory (memory)
// and why each barrier stands where it does. Two ideas are all there is: a thread for each result,
// and, where threads need the same data or each other's results, shared memory between barriers.
// bench/gpu_ladder.cu goes on from the product below to one several times as fast, one idea at a
// time, and bench/gpu_ladder_top.cu from there to one kernel for an epoch; src/device/gpu is what
// comes of it.
//
// nvcc compiles this file for GPUs; the host compiler does for tests/gpuhost, which runs every CUDA
// thread as a fiber under sanitizers.
#include "gpu_func.h"

#include <limits>
#include <variant>

#include "base/range.h"

namespace {

// ------------------------------------------------------------------ the product

/// A block computes a tile of C of so many rows and columns.
constexpr int tile = 16;

/// A tile of an operand in shared memory: at[p][i], i along the tile's edge (rows of op(A), columns
/// of op(B)), p along k. The line is one element longer than the tile, so that a warp which writes
/// two columns (16 p of each) meets 32 different banks.
struct Tile {
    nn_real at[tile][tile + 1];
};

/// Brings the tile that begins at (first, k0) of an operand, `edge` x k, with zeros beyond its
/// ends. AlongEdge: neighbours in memory are neighbours in i, otherwise in p. Either way 16 threads
/// that differ in x read 16 neighbours.
template <bool AlongEdge>
__device__ void load_tile(const nn_real* __restrict__ operand, int edge, int k, int first, int k0,
                          int x, int y, Tile& to) {
    const int i = first + (AlongEdge ? x : y), p = k0 + (AlongEdge ? y : x);
    const bool inside = i < edge && p < k;
    nn_real& place = AlongEdge ? to.at[y][x] : to.at[x][y];
    place = inside ? operand[AlongEdge ? position(i, p, edge) : position(p, i, k)] : nn_real{0};
}

/// Mapping: a block of 16 x 16 threads computes a 16 x 16 tile of C, thread (x, y) its element in
/// row x and column y; 16 threads have the rows of one column, and so write neighbours. Along k,
/// the block goes in steps of 16. Memory: a tile of op(A) and one of op(B), 1 KiB each in float:
/// each element that is read from global memory serves 16 products.
template <bool AAlongEdge, bool BAlongEdge>
__global__ void __launch_bounds__(tile* tile)
    gemm_kernel(int m, int n, int k, nn_real alpha, const nn_real* __restrict__ a,
                const nn_real* __restrict__ b, nn_real beta, nn_real* __restrict__ c) {
    GPU_SHARED(Tile, tile_a, );
    GPU_SHARED(Tile, tile_b, );
    const int x = static_cast<int>(threadIdx.x) % tile, y = static_cast<int>(threadIdx.x) / tile;
    const int row = static_cast<int>(blockIdx.x) * tile, col = static_cast<int>(blockIdx.y) * tile;
    nn_real sum = 0;
    for (int k0 = 0; k0 < k; k0 += tile) {
        load_tile<AAlongEdge>(a, m, k, row, k0, x, y, tile_a);
        load_tile<BAlongEdge>(b, n, k, col, k0, x, y, tile_b);
        __syncthreads();  // both tiles are complete before any thread reads them
        for (int p = 0; p < tile; ++p) sum += tile_a.at[p][x] * tile_b.at[p][y];
        __syncthreads();  // every thread has read the tiles before they are filled anew
    }
    if (row + x >= m || col + y >= n) return;
    nn_real& out = c[position(row + x, col + y, m)];
    out = beta == 0 ? alpha * sum : alpha * sum + beta * out;
}

// ------------------------------------------------------------------ a thread for each element

constexpr int threads = 256;

/// A thread for each of `count` results, in blocks of 256.
dim3 blocks_for(std::size_t count) {
    return {static_cast<unsigned>((count + threads - 1) / threads)};
}
__device__ std::size_t own_element() {
    return static_cast<std::size_t>(blockIdx.x) * threads + threadIdx.x;
}

/// Mapping: a thread an element; neighbours read and write neighbours. No shared memory.
__global__ void __launch_bounds__(threads)
    numbers_kernel(std::size_t count, nn_real scale, const std::uint8_t* __restrict__ pixels,
                   nn_real* __restrict__ x) {
    const std::size_t i = own_element();
    if (i < count) x[i] = scale * static_cast<nn_real>(pixels[i]);
}

/// Mapping: as numbers_kernel. F: an activation of model/activation.
template <class F>
__global__ void __launch_bounds__(threads)
    activation_kernel(std::size_t count, std::size_t rows, const nn_real* __restrict__ bias,
                      nn_real* a) {
    const std::size_t i = own_element();
    if (i < count) a[i] = F::value(a[i] + bias[i % rows], Exp{});
}

/// Mapping: as numbers_kernel. F: an activation of model/activation.
template <class F>
__global__ void __launch_bounds__(threads)
    delta_kernel(std::size_t count, const nn_real* __restrict__ a, nn_real* delta) {
    const std::size_t i = own_element();
    if (i < count) delta[i] *= F::slope(a[i]);
}

/// Mapping: a thread a row: neighbours read neighbours, column after column. No shared memory.
__global__ void __launch_bounds__(threads)
    row_sums_kernel(int rows, int n, const nn_real* __restrict__ delta, nn_real* __restrict__ db) {
    const std::size_t i = own_element();
    if (i >= static_cast<std::size_t>(rows)) return;
    nn_real sum = 0;
    for (int j = 0; j < n; ++j) sum += delta[position(static_cast<int>(i), j, rows)];
    db[i] = sum;
}

/// Mapping: as numbers_kernel. R: a rule of model/update.
template <class R>
__global__ void __launch_bounds__(threads)
    update_kernel(std::size_t count, R rule, UpdateNumbers numbers,
                  const nn_real* __restrict__ gradient, nn_real* p, std::size_t to_moment) {
    const std::size_t i = own_element();
    if (i >= count) return;
    UpdatedNumber<R> number;
    number.read(p + i, to_moment);
    number.update(rule, numbers, gradient[i]);
}

// ------------------------------------------------------------------ the output layer

constexpr int output_threads = 128;
constexpr nn_real lowest = -std::numeric_limits<nn_real>::infinity();

/// Joins a value of each of the block's threads to one, which all of them get.
/// Mapping: a tree: 64 threads join two values each, then 32, and so on; always in the same order.
template <class Join>
__device__ nn_real over_block(nn_real value, nn_real (&values)[output_threads], Join join) {
    values[threadIdx.x] = value;
    for (unsigned half = output_threads / 2; half > 0; half /= 2) {
        __syncthreads();  // the last round's values are there before this round reads them
        if (threadIdx.x < half)
            values[threadIdx.x] = join(values[threadIdx.x], values[threadIdx.x + half]);
    }
    __syncthreads();  // the result is there before every thread reads it
    const nn_real result = values[0];
    __syncthreads();  // every thread has it before `values` is used again
    return result;
}

/// y of output c of sample j; 0 where there are no targets.
__device__ nn_real target(const CourseOutput& o, int c, int j) {
    if (o.targets != nullptr) return o.targets[position(c, j, o.outputs)];
    return static_cast<nn_real>(o.labels != nullptr && c == o.labels[j] ? 1 : 0);
}

/// -log sigmoid(z) = log(1 + exp(-z)), so that no exponential overflows.
__device__ nn_real minus_log_sigmoid(nn_real z) {
    return z < 0 ? log1p(exp(z)) - z : log1p(exp(-z));
}

/// Mapping: a block a sample; thread t takes the outputs t, t + 128, ..., which alone it reads and
/// writes. What is summed over all outputs, and the largest z, go through over_block(). Memory:
/// values[thread], half a KiB in float.
///
/// Softmax subtracts the largest z, so that no exponential overflows, and -log yhat_c is log(sum) -
/// (z_c - largest), which is finite where yhat_c rounds to 0. mean_error is sum yhat_c (yhat_c -
/// y_c), for the slope of (yhat - y)^2 through a softmax.
__global__ void __launch_bounds__(output_threads) output_kernel(CourseOutput o) {
    GPU_SHARED(nn_real, values, [output_threads]);
    const bool softmax = o.objective.output == OutputLayer::softmax;
    const bool mse = o.objective.loss == LossFunction::mse;
    const int j = static_cast<int>(blockIdx.x), k = o.outputs, t = static_cast<int>(threadIdx.x);
    nn_real* const yhat = o.yhat + position(0, j, k);
    const auto add = [](nn_real x, nn_real y) { return x + y; };

    nn_real largest = lowest, sum = 0;
    for (int c = t; c < k; c += output_threads) {
        yhat[c] += o.bias[c];  // z, until the next round
        if (yhat[c] > largest) largest = yhat[c];
    }
    if (softmax) {
        largest = over_block(largest, values, [](nn_real x, nn_real y) { return y > x ? y : x; });
        for (int c = t; c < k; c += output_threads) sum += exp(yhat[c] - largest);
        sum = over_block(sum, values, add);
    }

    nn_real loss = 0, sum_of_y = 0, mean_error = 0;
    for (int c = t; c < k; c += output_threads) {
        const nn_real z = yhat[c], y = target(o, c, j);
        yhat[c] = softmax ? exp(z - largest) / sum : 1 / (1 + exp(-z));
        const nn_real error = yhat[c] - y;
        sum_of_y += y;
        mean_error += error * yhat[c];
        loss += mse       ? error * error
                : softmax ? y * (log(sum) - (z - largest))
                          : y * minus_log_sigmoid(z) + (1 - y) * minus_log_sigmoid(-z);
    }
    if (o.labels == nullptr && o.targets == nullptr) return;
    loss = over_block(loss, values, add);
    const nn_real share = softmax && !mse ? nn_real{1} : static_cast<nn_real>(k);
    if (t == 0) o.losses[j] += static_cast<double>(loss / share);
    if (o.delta == nullptr) return;

    sum_of_y = over_block(sum_of_y, values, add);
    mean_error = over_block(mean_error, values, add);
    for (int c = t; c < k; c += output_threads) {
        const nn_real y = target(o, c, j), seen = yhat[c], error = seen - y;
        const nn_real slope = mse ? 2 * seen * (softmax ? error - mean_error : error * (1 - seen))
                              : softmax ? sum_of_y * seen - y
                                        : error;
        o.delta[position(c, j, k)] = slope * (o.scale / share);
    }
}

}  // namespace

// ------------------------------------------------------------------ launchers

void course_numbers(cudaStream_t stream, std::size_t count, nn_real scale,
                    const std::uint8_t* pixels, nn_real* x) {
    if (count == 0) return;
    GPU_CHECK(gpu_launch(numbers_kernel, blocks_for(count), dim3(threads), 0, stream, count, scale,
                         pixels, x));
}

void course_gemm(cudaStream_t stream, Transposed op_a, Transposed op_b, int m, int n, int k,
                 nn_real alpha, const nn_real* a, const nn_real* b, nn_real beta, nn_real* c) {
    if (m == 0 || n == 0) return;
    const bool ta = op_a == Transposed::yes, tb = op_b == Transposed::yes;
    const auto kernel = ta ? (tb ? gemm_kernel<false, true> : gemm_kernel<false, false>)
                           : (tb ? gemm_kernel<true, true> : gemm_kernel<true, false>);
    const dim3 grid(static_cast<unsigned>(ceil_div(m, tile)),
                    static_cast<unsigned>(ceil_div(n, tile)));
    GPU_CHECK(
        gpu_launch(kernel, grid, dim3(tile * tile), 0, stream, m, n, k, alpha, a, b, beta, c));
}

void course_activate(cudaStream_t stream, int rows, int n, const nn_real* bias, nn_real* a,
                     const Activation& f) {
    const std::size_t count = elements(rows, n);
    if (count == 0) return;
    const auto launch = [&]<class F>(F) {
        GPU_CHECK(gpu_launch(activation_kernel<F>, blocks_for(count), dim3(threads), 0, stream,
                             count, elements(rows, 1), bias, a));
    };
    std::visit(launch, f);
}

void course_output(cudaStream_t stream, const CourseOutput& output) {
    if (output.n == 0) return;
    GPU_CHECK(gpu_launch(output_kernel, dim3(static_cast<unsigned>(output.n)), dim3(output_threads),
                         0, stream, output));
}

void course_delta(cudaStream_t stream, std::size_t count, const nn_real* a, nn_real* delta,
                  const Activation& f) {
    if (count == 0) return;
    const auto launch = [&]<class F>(F) {
        GPU_CHECK(gpu_launch(delta_kernel<F>, blocks_for(count), dim3(threads), 0, stream, count, a,
                             delta));
    };
    std::visit(launch, f);
}

void course_row_sums(cudaStream_t stream, int rows, int n, const nn_real* delta, nn_real* db) {
    if (rows == 0) return;
    GPU_CHECK(gpu_launch(row_sums_kernel, blocks_for(elements(rows, 1)), dim3(threads), 0, stream,
                         rows, n, delta, db));
}

void course_update(cudaStream_t stream, const Rule& rule, const UpdateNumbers& numbers,
                   std::size_t count, const nn_real* gradient, nn_real* p, std::size_t to_moment) {
    if (count == 0) return;
    std::visit(
        [&](const auto& of) {
            GPU_CHECK(gpu_launch(update_kernel<std::decay_t<decltype(of)>>, blocks_for(count),
                                 dim3(threads), 0, stream, count, of, numbers, gradient, p,
                                 to_moment));
        },
        rule);
}
