// gpu_func.cu: the hand-written kernels and their launchers.
//
// A kernel's comment says which thread computes what (mapping), what lies in shared memory (memory)
// and why each barrier stands where it does. The same file is compiled by nvcc for GPUs and by the
// host compiler for tests/gpuhost, which runs every CUDA thread as a fiber under sanitizers.
#include "gpu_func.h"

namespace {

/// Sixteen bytes of Real, moved by one load or store instruction. Addresses must be multiples
/// of 16.
template <class Real>
struct alignas(16) Pack {
    static constexpr int size = 16 / static_cast<int>(sizeof(Real));
    Real at[size];
};

__host__ __device__ constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

// ------------------------------------------------------------------ GEMM

/// A block computes an m x n tile of C in slices of depth k; a thread computes rows x cols of it.
template <int M, int N, int K, int Rows, int Cols>
struct Tile {
    static constexpr int m = M, n = N, k = K, rows = Rows, cols = Cols;
    static constexpr int threads_m = M / Rows, threads_n = N / Cols;
    static constexpr int threads = threads_m * threads_n;
};
using LargeTile = Tile<128, 128, 8, 8, 8>;
using MediumTile = Tile<64, 64, 16, 4, 4>;
using SmallTile = Tile<32, 32, 32, 2, 2>;

/// A slice of op(A) or op(B) in shared memory: at[k][i], i along the tile's edge. Rows are padded
/// by one Pack, so that threads which write a column (same i, next k) meet fewer equal banks.
template <class Real, int Depth, int Edge>
struct Slice {
    alignas(16) Real at[Depth][Edge + Pack<Real>::size];
};

/// Fills a slice: at[k][i] = x(first + i, k0 + k), and 0 outside of edge x depth.
/// Mapping: thread t takes packs t, t + Threads, ...; neighbours read neighbouring addresses, along
/// i or, where the matrix is stored with k contiguous, along k (KContiguous). Vector: packs are
/// 16 bytes; the launcher has checked that none straddles the matrix's edge. Otherwise one element.
template <class Real, int Depth, int Edge, int Threads, bool KContiguous, bool Vector>
__device__ __forceinline__ void load_slice(Slice<Real, Depth, Edge>& slice,
                                           const Real* __restrict__ x, int first, int edge, int k0,
                                           int depth) {
    constexpr int width = Vector ? Pack<Real>::size : 1;
    constexpr int packs_in_line = (KContiguous ? Depth : Edge) / width;
    constexpr int packs = Depth * Edge / width;
    static_assert(packs % Threads == 0, "every thread loads the same number of packs");
#pragma unroll
    for (int round = 0; round < packs / Threads; ++round) {
        const int pack = static_cast<int>(threadIdx.x) + round * Threads;
        const int along = pack % packs_in_line * width, line = pack / packs_in_line;
        const int i = KContiguous ? line : along, k = KContiguous ? along : line;
        const bool inside = first + i < edge && k0 + k < depth;
        const std::size_t address =
            KContiguous ? static_cast<std::size_t>(first + i) * static_cast<std::size_t>(depth) +
                              static_cast<std::size_t>(k0 + k)
                        : static_cast<std::size_t>(k0 + k) * static_cast<std::size_t>(edge) +
                              static_cast<std::size_t>(first + i);
        if constexpr (Vector) {
            const Pack<Real> values =
                inside ? *reinterpret_cast<const Pack<Real>*>(x + address) : Pack<Real>{};
            if constexpr (KContiguous) {
#pragma unroll
                for (int e = 0; e < width; ++e) slice.at[k + e][i] = values.at[e];
            } else {
                *reinterpret_cast<Pack<Real>*>(&slice.at[k][i]) = values;
            }
        } else {
            slice.at[k][i] = inside ? x[address] : Real{0};
        }
    }
}

enum class Epilogue { scaled, bias, bias_sigmoid };

/// C = alpha op(A) op(B) + beta C, or op(A) op(B) + bias, or the sigmoid of that.
/// Mapping: block (x, y) computes the tile of C in tile column x and tile row y: a grid may be 2^31
/// wide and 65535 high, and pixels or a batch, which are C's columns, may be many. Thread t
/// computes the rows tx + r threads_m and the columns ty + s threads_n of the tile: neighbouring
/// threads own neighbouring rows, so that they read different banks of the A slice, the same word
/// of the B slice, and write neighbouring addresses of C. Each element is summed over k in
/// ascending order, whatever the tile. Memory: one slice of op(A) and one of op(B), (m + n) k reals
/// and the padding: 9 KiB at most in float, 17 KiB in double.
template <class Real, class T, Transposed OpA, Transposed OpB, Epilogue E, bool Vector>
__global__ void __launch_bounds__(T::threads)
    gemm_kernel(int m, int n, int k, Real alpha, const Real* __restrict__ a,
                const Real* __restrict__ b, Real beta, Real* __restrict__ c,
                const Real* __restrict__ bias) {
    using SliceA = Slice<Real, T::k, T::m>;
    using SliceB = Slice<Real, T::k, T::n>;
    GPU_SHARED(SliceA, slice_a, );
    GPU_SHARED(SliceB, slice_b, );
    const int first_row = static_cast<int>(blockIdx.y) * T::m;
    const int first_col = static_cast<int>(blockIdx.x) * T::n;
    const int tx = static_cast<int>(threadIdx.x) % T::threads_m;
    const int ty = static_cast<int>(threadIdx.x) / T::threads_m;

    Real sum[T::rows][T::cols] = {};
    for (int k0 = 0; k0 < k; k0 += T::k) {
        load_slice<Real, T::k, T::m, T::threads, OpA == Transposed::yes, Vector>(
            slice_a, a, first_row, m, k0, k);
        load_slice<Real, T::k, T::n, T::threads, OpB == Transposed::no, Vector>(
            slice_b, b, first_col, n, k0, k);
        __syncthreads();  // both slices are complete before any thread reads them
#pragma unroll
        for (int kk = 0; kk < T::k; ++kk) {
            Real x[T::rows], y[T::cols];
#pragma unroll
            for (int r = 0; r < T::rows; ++r) x[r] = slice_a.at[kk][tx + r * T::threads_m];
#pragma unroll
            for (int s = 0; s < T::cols; ++s) y[s] = slice_b.at[kk][ty + s * T::threads_n];
#pragma unroll
            for (int r = 0; r < T::rows; ++r)
#pragma unroll
                for (int s = 0; s < T::cols; ++s) sum[r][s] += x[r] * y[s];
        }
        __syncthreads();  // every thread has read the slices before they are filled anew
    }

#pragma unroll
    for (int s = 0; s < T::cols; ++s) {
#pragma unroll
        for (int r = 0; r < T::rows; ++r) {
            const int i = first_row + tx + r * T::threads_m, j = first_col + ty + s * T::threads_n;
            if (i >= m || j >= n) continue;
            Real& out = c[static_cast<std::size_t>(j) * static_cast<std::size_t>(m) +
                          static_cast<std::size_t>(i)];
            if constexpr (E == Epilogue::scaled) {
                out = beta == 0 ? alpha * sum[r][s] : alpha * sum[r][s] + beta * out;
            } else {
                const Real z = sum[r][s] + bias[i];
                out = E == Epilogue::bias ? z : 1 / (1 + exp(-z));
            }
        }
    }
}

/// What a GEMM launch needs beside its tile.
template <class Real>
struct GemmArguments {
    int m, n, k;
    Real alpha;
    const Real *a, *b;
    Real beta;
    Real* c;
    const Real* bias;
};

template <class Real, class T, Transposed OpA, Transposed OpB, Epilogue E>
void launch_tile(const Gpu& gpu, const GemmArguments<Real>& g) {
    const dim3 grid(static_cast<unsigned>(ceil_div(g.n, T::n)),
                    static_cast<unsigned>(ceil_div(g.m, T::m)));
    // Packs may be used where every contiguous line of A and B starts at a multiple of 16 bytes and
    // holds a whole number of packs.
    const auto packs = [](const Real* x, int line) {
        return reinterpret_cast<std::uintptr_t>(x) % sizeof(Pack<Real>) == 0 &&
               line % Pack<Real>::size == 0;
    };
    const bool vector = packs(g.a, OpA == Transposed::yes ? g.k : g.m) &&
                        packs(g.b, OpB == Transposed::yes ? g.n : g.k);
    const auto kernel =
        vector ? gemm_kernel<Real, T, OpA, OpB, E, true> : gemm_kernel<Real, T, OpA, OpB, E, false>;
    GPU_CHECK(gpu_launch(kernel, grid, dim3(T::threads), 0, gpu.stream, g.m, g.n, g.k, g.alpha, g.a,
                         g.b, g.beta, g.c, g.bias));
}

template <class T>
bool fills(const Gpu& gpu, int m, int n) {
    return m > T::m / 2 && n > T::n / 2 &&
           static_cast<long long>(ceil_div(m, T::m)) * ceil_div(n, T::n) >= gpu.multiprocessors;
}

template <class Real, Transposed OpA, Transposed OpB, Epilogue E>
void launch_gemm(const Gpu& gpu, GemmTile tile, const GemmArguments<Real>& g) {
    if (g.m == 0 || g.n == 0) return;
    if (tile == GemmTile::automatic)
        tile = fills<LargeTile>(gpu, g.m, g.n)    ? GemmTile::large
               : fills<MediumTile>(gpu, g.m, g.n) ? GemmTile::medium
                                                  : GemmTile::small;
    if (tile == GemmTile::large) launch_tile<Real, LargeTile, OpA, OpB, E>(gpu, g);
    if (tile == GemmTile::medium) launch_tile<Real, MediumTile, OpA, OpB, E>(gpu, g);
    if (tile == GemmTile::small) launch_tile<Real, SmallTile, OpA, OpB, E>(gpu, g);
}

// ------------------------------------------------------------------ softmax and cross-entropy

constexpr int softmax_threads = 128;
constexpr unsigned all_lanes = 0xffffffffu;

/// Grid: a warp for each column, at most gpu_loss_slots; blocks of 4 warps; no shared memory.
/// Mapping: warp w of W takes columns w, w + W, ...; lane l the classes l, l + 32, ... of a column.
/// The maximum and the sum pass between lanes by shuffles (butterfly: every lane ends with the same
/// bits), so there is no shared memory and no barrier. Lane 0 adds the column's loss,
/// log sum exp(z - max) - (z_c - max), which is finite where yhat_c rounds to 0.
template <class Real>
__global__ void __launch_bounds__(softmax_threads)
    softmax_kernel(int classes, int n, const std::uint8_t* __restrict__ labels, Real scale, Real* z,
                   Real* delta, double* loss) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int warp = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const int warps = static_cast<int>(gridDim.x * blockDim.x) / 32;
    double warp_loss = 0;
    for (int j = warp; j < n; j += warps) {
        const std::size_t column = static_cast<std::size_t>(j) * static_cast<std::size_t>(classes);
        Real largest = z[column];
        for (int i = lane; i < classes; i += 32)
            if (z[column + i] > largest) largest = z[column + i];
        for (int step = 16; step > 0; step /= 2) {
            const Real other = __shfl_xor_sync(all_lanes, largest, step);
            if (other > largest) largest = other;
        }
        Real sum = 0;
        for (int i = lane; i < classes; i += 32) sum += exp(z[column + i] - largest);
        for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(all_lanes, sum, step);

        const int label = labels[j];
        if (lane == 0) warp_loss += static_cast<double>(log(sum) - (z[column + label] - largest));
        __syncwarp();  // lane 0 has read z at the label before its lane overwrites it
        for (int i = lane; i < classes; i += 32) {
            const Real yhat = exp(z[column + i] - largest) / sum;
            z[column + i] = yhat;
            delta[column + i] = (i == label ? yhat - 1 : yhat) * scale;
        }
    }
    if (lane == 0) loss[warp] += warp_loss;
}

// ------------------------------------------------------------------ element-wise and reductions

constexpr int plain_threads = 256;

/// Blocks that give each of `count` elements a thread.
unsigned blocks_for(std::size_t count) {
    return static_cast<unsigned>((count + plain_threads - 1) / plain_threads);
}

/// The index of this thread's element in a one-dimensional grid.
__device__ __forceinline__ std::size_t element_index() {
    return static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

/// Mapping: one thread an element, in blocks of 256; no shared memory.
template <class Real>
__global__ void sigmoid_backward_kernel(std::size_t count, const Real* __restrict__ a,
                                        Real* __restrict__ delta) {
    const std::size_t i = element_index();
    if (i < count) delta[i] *= a[i] * (1 - a[i]);
}

/// Mapping: one thread an element, in blocks of 256; no shared memory; reg p and the step in one
/// pass over the parameters.
template <class Real>
__global__ void step_kernel(std::size_t count, Real rate, Real reg,
                            const Real* __restrict__ gradient, Real* __restrict__ p) {
    const std::size_t i = element_index();
    if (i < count) p[i] -= rate * (gradient[i] + reg * p[i]);
}

/// Mapping: block j of n converts sample j, no shared memory; its 256 threads stride over the
/// pixels, neighbours on neighbours.
template <class Real>
__global__ void gather_kernel(int d, const std::uint32_t* __restrict__ samples, Real scale,
                              const std::uint8_t* __restrict__ pixels,
                              const std::uint8_t* __restrict__ labels, Real* __restrict__ x,
                              std::uint8_t* __restrict__ labels_out) {
    const std::size_t j = blockIdx.x, s = samples == nullptr ? j : samples[j];
    const std::size_t length = static_cast<std::size_t>(d);
    for (std::size_t i = threadIdx.x; i < length; i += blockDim.x)
        x[j * length + i] = scale * static_cast<Real>(pixels[s * length + i]);
    if (threadIdx.x == 0) labels_out[j] = labels[s];
}

constexpr int row_lanes = 32, row_groups = 8;

/// Mapping: a block sums 32 rows. Thread (row, group) adds the columns group, group + 8, ... of its
/// row, so that a warp reads 32 neighbouring rows of one column at a time.
/// Memory: partial[group][row], the eight sums of each row: 1 KiB in float, 2 KiB in double.
template <class Real>
__global__ void __launch_bounds__(row_lanes* row_groups)
    row_sums_kernel(int rows, int n, const Real* __restrict__ delta, Real* __restrict__ sums) {
    GPU_SHARED(Real, partial, [row_groups][row_lanes]);
    const int lane = static_cast<int>(threadIdx.x) % row_lanes;
    const int group = static_cast<int>(threadIdx.x) / row_lanes;
    const int row = static_cast<int>(blockIdx.x) * row_lanes + lane;
    Real sum = 0;
    if (row < rows)
        for (int j = group; j < n; j += row_groups)
            sum += delta[static_cast<std::size_t>(j) * static_cast<std::size_t>(rows) +
                         static_cast<std::size_t>(row)];
    partial[group][lane] = sum;
    __syncthreads();  // the first group adds what the other groups wrote
    if (group != 0 || row >= rows) return;
    for (int g = 1; g < row_groups; ++g) sum += partial[g][lane];
    sums[row] = sum;
}

/// Grid: gpu_square_slots blocks of 256 threads. Mapping: thread t of all T adds the squares of
/// elements t, t + T, ...; a block's threads then add up as a tree, half of them at a time. Memory:
/// partial[thread], 2 KiB.
template <class Real>
__global__ void __launch_bounds__(plain_threads)
    sum_of_squares_kernel(std::size_t count, const Real* __restrict__ values,
                          double* __restrict__ out) {
    GPU_SHARED(double, partial, [plain_threads]);
    double sum = 0;
    for (std::size_t i = element_index(); i < count;
         i += static_cast<std::size_t>(gridDim.x) * blockDim.x)
        sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    partial[threadIdx.x] = sum;
    for (unsigned half = plain_threads / 2; half > 0; half /= 2) {
        __syncthreads();  // the last round's sums are there before the next round reads them
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    }
    if (threadIdx.x == 0) out[blockIdx.x] = partial[0];
}

}  // namespace

// ------------------------------------------------------------------ launchers

void gpu_gemm(const Gpu& gpu, Transposed op_a, Transposed op_b, int m, int n, int k, nn_real alpha,
              const nn_real* a, const nn_real* b, nn_real beta, nn_real* c, GemmTile tile) {
    constexpr auto no = Transposed::no, yes = Transposed::yes;
    constexpr auto scaled = Epilogue::scaled;
    const GemmArguments<nn_real> g{m, n, k, alpha, a, b, beta, c, nullptr};
    if (op_a == no && op_b == no) launch_gemm<nn_real, no, no, scaled>(gpu, tile, g);
    if (op_a == no && op_b == yes) launch_gemm<nn_real, no, yes, scaled>(gpu, tile, g);
    if (op_a == yes && op_b == no) launch_gemm<nn_real, yes, no, scaled>(gpu, tile, g);
    if (op_a == yes && op_b == yes) launch_gemm<nn_real, yes, yes, scaled>(gpu, tile, g);
}

void gpu_layer(const Gpu& gpu, Activation activation, int m, int n, int k, const nn_real* w,
               const nn_real* a_in, const nn_real* bias, nn_real* a_out, GemmTile tile) {
    constexpr auto no = Transposed::no;
    const GemmArguments<nn_real> g{m, n, k, 1, w, a_in, 0, a_out, bias};
    if (activation == Activation::none)
        launch_gemm<nn_real, no, no, Epilogue::bias>(gpu, tile, g);
    else
        launch_gemm<nn_real, no, no, Epilogue::bias_sigmoid>(gpu, tile, g);
}

void gpu_softmax_cross_entropy(const Gpu& gpu, int classes, int n, const std::uint8_t* labels,
                               nn_real scale, nn_real* z, nn_real* delta, double* loss) {
    if (n == 0) return;
    constexpr int warps_in_block = softmax_threads / 32;
    const int blocks = ceil_div(n, warps_in_block), most = gpu_loss_slots / warps_in_block;
    GPU_CHECK(gpu_launch(
        softmax_kernel<nn_real>, dim3(static_cast<unsigned>(blocks < most ? blocks : most)),
        dim3(softmax_threads), 0, gpu.stream, classes, n, labels, scale, z, delta, loss));
}

void gpu_sigmoid_backward(const Gpu& gpu, std::size_t count, const nn_real* a, nn_real* delta) {
    if (count == 0) return;
    GPU_CHECK(gpu_launch(sigmoid_backward_kernel<nn_real>, dim3(blocks_for(count)),
                         dim3(plain_threads), 0, gpu.stream, count, a, delta));
}

void gpu_row_sums(const Gpu& gpu, int rows, int n, const nn_real* delta, nn_real* sums) {
    if (rows == 0) return;
    GPU_CHECK(gpu_launch(row_sums_kernel<nn_real>,
                         dim3(static_cast<unsigned>(ceil_div(rows, row_lanes))),
                         dim3(row_lanes * row_groups), 0, gpu.stream, rows, n, delta, sums));
}

void gpu_step(const Gpu& gpu, std::size_t count, nn_real rate, nn_real reg, const nn_real* gradient,
              nn_real* p) {
    if (count == 0) return;
    GPU_CHECK(gpu_launch(step_kernel<nn_real>, dim3(blocks_for(count)), dim3(plain_threads), 0,
                         gpu.stream, count, rate, reg, gradient, p));
}

void gpu_gather_pixels(const Gpu& gpu, int d, int n, const std::uint32_t* samples, nn_real scale,
                       const std::uint8_t* pixels, const std::uint8_t* labels, nn_real* x,
                       std::uint8_t* labels_out) {
    if (n == 0) return;
    GPU_CHECK(gpu_launch(gather_kernel<nn_real>, dim3(static_cast<unsigned>(n)),
                         dim3(plain_threads), 0, gpu.stream, d, samples, scale, pixels, labels, x,
                         labels_out));
}

void gpu_sum_of_squares(const Gpu& gpu, std::size_t count, const nn_real* values, double* partial) {
    GPU_CHECK(gpu_launch(sum_of_squares_kernel<nn_real>, dim3(gpu_square_slots),
                         dim3(plain_threads), 0, gpu.stream, count, values, partial));
}
