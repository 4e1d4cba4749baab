// gemm_fma.cu: products by multiply-adds in nn_real, and the launchers of all products.
//
// One kernel for float and double, for activations and for pixels as bytes: a block computes a tile
// of C, slice by slice along k, while the next slices are on their way to shared memory. In double,
// GPUs with tensor cores for it multiply on those.
#include "device/gpu/digits.h"
#include "device/gpu/product.h"
#include "device/gpu/slices.h"

#include <algorithm>
#include <stdexcept>

namespace {

/// A warp's piece of the tile by multiply-adds. Mapping: the lanes stand in a 4 x 8 grid, four
/// neighbouring rows and four neighbouring columns each, over 16 rows and 32 columns. Bits 1 and 3
/// of a lane's number say which rows, bits 0, 2 and 4 which columns: so of the lanes l and l ^ 1,
/// and of l and l ^ 2, all read the same pack of one slice or of the other, for which a load of 16
/// bytes a lane takes two wavefronts instead of four. Each value is used for 4 or 8 products.
template <TileShape T>
class ByFma {
    static constexpr int rows = T.warp_m / 4, cols = T.warp_n / 8;

  public:
    static constexpr int count = rows * cols;
    nn_real sums[count] = {};

    template <class SliceA, class SliceB>
    __device__ __forceinline__ void multiply(const SliceA& a, const SliceB& b,
                                             const WarpPlace& at) {
        constexpr int depth = T.k / T.groups;
#pragma unroll
        for (int kk = 0; kk < depth; ++kk) {
            const int k = at.group * depth + kk;
            nn_real x[rows], y[cols];
#pragma unroll
            for (int r = 0; r < rows; r += 4) read(&a.at[k][at.row + row_of(at.lane, r)], &x[r]);
#pragma unroll
            for (int s = 0; s < cols; s += 4) read(&b.at[k][at.col + col_of(at.lane, s)], &y[s]);
#pragma unroll
            for (int s = 0; s < cols; ++s)
#pragma unroll
                for (int r = 0; r < rows; ++r) sums[s * rows + r] += x[r] * y[s];
        }
    }
    /// Four f: neighbours in a column. work(count, row, column, elements) gets all four.
    template <class Work>
    static __device__ __forceinline__ void for_four(int first_row, int first_col, int lane, int f,
                                                    nn_real (&four)[4], const Work& work) {
        const int r = f % (rows / 4) * 4, s = f / (rows / 4);
        work(std::integral_constant<int, 4>{}, first_row + row_of(lane, r),
             first_col + col_of(lane, s - s % 4) + s % 4, four);
    }

  private:
    static __device__ __forceinline__ int row_of(int lane, int r) {
        return r / 4 * 16 + ((lane >> 1 & 1) | (lane >> 3 & 1) << 1) * 4;
    }
    static __device__ __forceinline__ int col_of(int lane, int s) {
        return s / 4 * 32 + ((lane & 1) | (lane >> 2 & 1) << 1 | lane >> 4 << 2) * 4;
    }
    static __device__ __forceinline__ void read(const nn_real* from, nn_real* to) {
        const Four<nn_real> four = *reinterpret_cast<const Four<nn_real>*>(from);
#pragma unroll
        for (int e = 0; e < 4; ++e) to[e] = four.at[e];
    }
};

/// The same by tensor cores in double, over 16 k at a time. Mapping: device/gpu/ptx.h's fragments;
/// the lines of a slice are 4 mod 16 doubles long, so that four k of eight rows meet 32 banks.
template <TileShape T>
struct ByMma : FragmentSums<T> {
    using FragmentSums<T>::down, FragmentSums<T>::across;

    template <class SliceA, class SliceB>
    __device__ __forceinline__ void multiply(const SliceA& a, const SliceB& b,
                                             const WarpPlace& place) {
        static_assert(T.k / T.groups == 16);
        const int line = place.lane / 4, k = place.group * 16 + place.lane % 4;
        double y[across][4];
#pragma unroll
        for (int q = 0; q < across; ++q)
#pragma unroll
            for (int e = 0; e < 4; ++e) y[q][e] = b.at[k + 4 * e][place.col + 8 * q + line];
#pragma unroll
        for (int p = 0; p < down; ++p) {
            double x[8];
#pragma unroll
            for (int e = 0; e < 8; ++e)
                x[e] = a.at[k + 4 * (e / 2)][place.row + 16 * p + 8 * (e % 2) + line];
#pragma unroll
            for (int q = 0; q < across; ++q) {
                double c[4];
#pragma unroll
                for (int e = 0; e < 4; ++e) c[e] = this->at(p, q, e);
                mma_f64(c, x, y[q]);
#pragma unroll
                for (int e = 0; e < 4; ++e) this->at(p, q, e) = c[e];
            }
        }
    }
};

/// Everything a launch gives the kernel.
template <class B>
struct GemmArguments {
    Operand<nn_real> a;
    Operand<B> b;
    nn_real b_scale;  ///< of pixels
    Extent x;
    Output out;
};

/// Slices under way and in use: as many as static shared memory holds, four at most.
template <TileShape T>
inline constexpr int stages_of =
    std::min(48 * 1024 / (T.k * (T.m + T.n + 8) * static_cast<int>(sizeof(nn_real))), 4);

/// Blocks that a multiprocessor should hold. The large tile's 64 sums a thread leave room for two
/// blocks only if the compiler minds it.
template <TileShape T>
inline constexpr int blocks_of = T.warp_m* T.warp_n == 2048 ? 2 : 1;

/// The walk along k of one block, with the sums by Product.
/// Barriers: one a slice. It says that slice t is complete (each thread delivered its share before)
/// and that nobody reads slice t - 1 any more, whose place the next copies take. A fetched slice is
/// waited for at the end of the round before it is needed, by each thread for its own copies.
template <class Product, TileShape T, class E, class LoaderA, class LoaderB, class B>
__device__ __forceinline__ void walk(const GemmArguments<B>& g, LoaderA& a, LoaderB& b,
                                     int first_row, int first_col, void* memory) {
    constexpr int stages = stages_of<T>;
    const WarpPlace at = warp_place<T>();
    const int k_begin = static_cast<int>(blockIdx.z) * g.x.part;
    const int k_end = g.x.k - k_begin < g.x.part ? g.x.k : k_begin + g.x.part;
    const int slices = k_end > k_begin ? ceil_div(k_end - k_begin, T.k) : 0;
    const int ahead = gpu_copies_async() ? stages - 1 : 1;
    const auto fetch = [&](int t) {
        if (t < slices) {
            a.fetch(t, k_begin + t * T.k, k_end);
            b.fetch(t, k_begin + t * T.k, k_end);
        }
        if (gpu_copies_async()) copy_async_commit();
    };
    const auto deliver = [&](int t) {
        if (gpu_copies_async()) copy_async_wait<stages - 2>();
        if (t >= slices) return;
        a.deliver(t);
        b.deliver(t);
    };

    Product product;
    for (int t = 0; t < ahead; ++t) fetch(t);
    deliver(0);
    for (int t = 0; t < slices; ++t) {
        __syncthreads();  // slice t is complete, and slice t - 1 has been read by all
        fetch(t + ahead);
        product.multiply(a.slice(t), b.slice(t), at);
        deliver(t + 1);
    }
    finish<T, E>(product, g.out, g.x, first_row, first_col, at, memory);
}

/// C = what the epilogue makes of op(A) op(B).
/// Mapping: a block computes a tile of C (Extent says which), its warps pieces of it (TileShape),
/// its threads what ByFma or ByMma say. Each element is summed over k in ascending order within a
/// group and a part. Memory: stages of slices of op(A) and op(B), at most 48 KiB; at the end the
/// groups' sums take their place.
template <TileShape T, class E, class B, bool AAlongEdge, bool BAlongEdge>
__global__ void __launch_bounds__(threads_of<T>, blocks_of<T>)
    gemm_kernel(const GemmArguments<B> g, const typename E::Others others) {
    wait_for_kernel_before();
    constexpr int stages = stages_of<T>;
    using LoaderA = Loader<nn_real, T.k, T.m, threads_of<T>, AAlongEdge, stages>;
    using LoaderB = Loader<B, T.k, T.n, threads_of<T>, BAlongEdge, stages>;
    struct Slices {
        typename LoaderA::Memory a;
        typename LoaderB::Memory b;
    };
    union Memory {
        Slices slices;
        Four<nn_real> groups[T.groups > 1 ? T.groups* T.m* T.n / 4 : 1];
    };
    GPU_SHARED(Memory, memory, );
    if (works_on_others<T, E>(g.x, others, &memory)) return;
    const int first_row = static_cast<int>(blockIdx.y) * T.m;
    const int first_col = g.x.first + static_cast<int>(blockIdx.x) * T.n;
    LoaderA a(memory.slices.a, g.a, first_row);
    const auto run = [&](LoaderB& b) {
        if constexpr (sizeof(nn_real) == sizeof(double)) {
            if (gpu_has_f64_mma())
                return walk<ByMma<T>, T, E>(g, a, b, first_row, first_col, &memory);
        }
        walk<ByFma<T>, T, E>(g, a, b, first_row, first_col, &memory);
    };
    if constexpr (std::is_same_v<B, nn_real>) {
        LoaderB b(memory.slices.b, g.b, first_col);
        run(b);
    } else {
        LoaderB b(memory.slices.b, g.b, first_col, g.b_scale);
        run(b);
    }
}

template <TileShape T, class E, class B, bool AAlongEdge, bool BAlongEdge>
void launch_tile(const Gpu& gpu, int splits, GemmArguments<B> g, const typename E::Others& others) {
    g.x = in_parts<T>(g.x, splits);
    gpu_start(gpu, gemm_kernel<T, E, B, AAlongEdge, BAlongEdge>, grid_of<T, E>(g.x),
              dim3(T.threads()), g, others);
}

template <class E, class B, bool AAlongEdge, bool BAlongEdge>
void launch_by_fma(const Gpu& gpu, GemmPlan plan, const GemmArguments<B>& g,
                   const typename E::Others& others = {}) {
    if (g.x.m == 0 || g.x.first >= g.x.last) return;
    constexpr auto shape = [](GemmTile tile) {
        return tile_shape(GemmBy::fma, tile, static_cast<int>(sizeof(nn_real)));
    };
    const auto launch = [&]<TileShape T>() {
        launch_tile<T, E, B, AAlongEdge, BAlongEdge>(gpu, plan.splits, g, others);
    };
    if (plan.tile == GemmTile::small) launch.template operator()<shape(GemmTile::small)>();
    if (plan.tile == GemmTile::medium) launch.template operator()<shape(GemmTile::medium)>();
    if (plan.tile == GemmTile::large) launch.template operator()<shape(GemmTile::large)>();
}

/// A matrix whose stored lines, of `line` elements, run along i or k.
template <class T>
Operand<T> operand(const T* at, int line, int edge, bool ones = false) {
    return {at, line, edge, ones, in_fours(at, line)};
}

Output output(nn_real* c, int m) { return {c, 0, 1, 0, nullptr, nullptr, -1, in_fours(c, m)}; }

/// op(A) = A and op(B) the pixels, which lie along the edge (a gradient) or along k (a layer).
template <class E, bool AlongEdge>
void by_pixels(const Gpu& gpu, GemmBy by, GemmPlan plan, const Operand<nn_real>& a,
               const Operand<std::uint8_t>& b, nn_real scale, const Extent& x, Output out,
               const Activation* f, const typename E::Others& others, const Digits& digits) {
    if (by == GemmBy::fma)
        return launch_by_fma<E, std::uint8_t, true, AlongEdge>(gpu, plan, {a, b, scale, x, out},
                                                               others);
    if constexpr (std::is_same_v<nn_real, float>) {
        out.alpha = scale;
        const OtherRuns* runs = nullptr;
        if constexpr (has_others<E>) runs = &others;
        if (by == GemmBy::int8)
            launch_int8(gpu, plan, a, b, f, runs, x, out, digits);
        else
            launch_bf16x3(gpu, plan, a, b, f, runs, x, out);
    } else {
        throw std::logic_error("bf16x3 and int8 are for float");
    }
}

/// [dW|db] = delta [A_in; 1]^T, of columns [x.first, x.last), and what E makes of it.
template <class E>
void by_inputs(const Gpu& gpu, GemmBy by, GemmPlan plan, const nn_real* delta, Input a_in, int k,
               const Extent& x, Output out, const Digits& digits,
               const typename E::Others& others = {}) {
    const Operand<nn_real> a = operand(delta, x.m, x.m);
    if (a_in.activations != nullptr) {
        Operand<nn_real> b = operand(a_in.activations, k, k, true);
        b.fours = b.fours && x.first % 4 == 0;
        launch_by_fma<E, nn_real, true, true>(gpu, plan, {a, b, 1, x, out}, others);
    } else {
        Operand<std::uint8_t> b = operand(a_in.pixels, k, k, true);
        b.fours = b.fours && x.first % 4 == 0;
        out.unscaled = k;
        by_pixels<E, true>(gpu, by, plan, a, b, a_in.scale, x, out, nullptr, others, digits);
    }
}

/// What of the memory a product of m x n uses: nothing where each tile has one block, or there is
/// none.
Joint joint_of(GemmBy by, const GemmPlan& plan, const Joint& joint, int m, int n) {
    if (joint_size(by, plan, m, n).parts == 0) return {};
    if (joint.parts == nullptr) throw std::logic_error("a product in parts has no place for them");
    return joint;
}

}  // namespace

// ------------------------------------------------------------------ launchers

void gpu_gemm(const Gpu& gpu, Transposed op_a, Transposed op_b, int m, int n, int k, nn_real alpha,
              const nn_real* a, const nn_real* b, nn_real beta, nn_real* c, GemmPlan plan) {
    const bool ta = op_a == Transposed::yes, tb = op_b == Transposed::yes;
    GemmArguments<nn_real> g{
        operand(a, ta ? k : m, m), operand(b, tb ? n : k, n), 1, {m, 0, n, k}, output(c, m)};
    g.out.alpha = alpha;
    g.out.beta = beta;
    if (!ta && !tb) launch_by_fma<Scaled, nn_real, true, false>(gpu, plan, g);
    if (!ta && tb) launch_by_fma<Scaled, nn_real, true, true>(gpu, plan, g);
    if (ta && !tb) launch_by_fma<Scaled, nn_real, false, false>(gpu, plan, g);
    if (ta && tb) launch_by_fma<Scaled, nn_real, false, true>(gpu, plan, g);
}

void gpu_gemm(const Gpu& gpu, Transposed op_a, Transposed op_b, int m, int n, int k, nn_real alpha,
              const nn_real* a, const nn_real* b, nn_real beta, nn_real* c) {
    gpu_gemm(gpu, op_a, op_b, m, n, k, alpha, a, b, beta, c,
             plan_gemm(gpu.chip, GemmBy::fma, m, n, k, Split::no));
}

JointSize joint_size(GemmBy by, const GemmPlan& plan, int m, int n) {
    if (plan.splits == 1) return {};
    const TileShape t = tile_shape(by, plan.tile, static_cast<int>(sizeof(nn_real)));
    const std::size_t tiles = elements(ceil_div(m, t.m), ceil_div(n, t.n));
    const std::size_t reals = by == GemmBy::int8 ? 2 : 1;  // of a whole number of 64 bits
    return {tiles * elements(t.m, t.n) * static_cast<std::size_t>(plan.splits) * reals, tiles};
}

DigitsSize digits_size(GemmBy by, int m, int n, int k) {
    if (by != GemmBy::int8) return {};
    const WordPlanes a = planes_of(m, k), b = planes_of(n, k);
    return {digits_of_number * a.words() + b.words(), static_cast<std::size_t>(a.lines)};
}

void gpu_layer(const Gpu& gpu, GemmBy by, int m, int n, int k, const nn_real* w, Input a_in,
               const nn_real* bias, nn_real* a_out, GemmPlan plan, const Activation& f,
               const Joint& joint, const Digits& digits) {
    Output out = output(a_out, m);
    out.bias = bias;
    out.joint = joint_of(by, plan, joint, m, n);
    const Operand<nn_real> a = operand(w, m, m);
    const Extent x{m, 0, n, k};
    const auto launch = [&]<class F>(F) {
        if (a_in.activations != nullptr)
            launch_by_fma<Activated<F>, nn_real, true, false>(
                gpu, plan, {a, operand(a_in.activations, k, n), 1, x, out});
        else
            by_pixels<Activated<F>, false>(gpu, by, plan, a, operand(a_in.pixels, k, n), a_in.scale,
                                           x, out, &f, {}, digits);
    };
    std::visit(launch, f);
}

void gpu_gradient(const Gpu& gpu, GemmBy by, int m, int n, int k, const nn_real* delta, Input a_in,
                  int first, int count, nn_real* out_at, std::size_t stride, GemmPlan plan,
                  const Joint& joint, const Digits& digits) {
    Output out = output(out_at, m);
    if (by == GemmBy::int8) {
        out.joint = joint_of(by, plan, joint, m, count);
    } else {
        out.part_stride = stride;
        out.fours = out.fours && stride % 4 == 0;
    }
    by_inputs<Scaled>(gpu, by, plan, delta, a_in, k, {m, first, first + count, n}, out, digits);
}

void gpu_gradient_and_descent(const Gpu& gpu, GemmBy by, int m, int n, int k, const nn_real* delta,
                              Input a_in, const UpdateNumbers* numbers, nn_real* p,
                              std::size_t first, std::span<const Parts> others, GemmPlan plan,
                              const Joint& joint, const Digits& digits) {
    Output out = output(p + first, m);
    out.joint = joint_of(by, plan, joint, m, k + 1);
    out.numbers = numbers;
    out.biases = k;
    const int threads = tile_shape(by, plan.tile, static_cast<int>(sizeof(nn_real))).threads();
    by_inputs<Descended>(gpu, by, plan, delta, a_in, k, {m, 0, k + 1, n}, out, digits,
                         {runs_of(others, threads), numbers, p});
}

void gpu_delta_below(const Gpu& gpu, int m, int n, int k, const nn_real* w, const nn_real* delta,
                     const nn_real* a, nn_real* delta_below, GemmPlan plan, const Activation& f,
                     const Joint& joint) {
    Output out = output(delta_below, k);
    out.a = a;
    out.joint = joint_of(GemmBy::fma, plan, joint, k, n);
    const auto launch = [&]<class F>(F) {
        launch_by_fma<TimesSlope<F>, nn_real, false, false>(
            gpu, plan, {operand(w, m, k), operand(delta, m, n), 1, {k, 0, n, m}, out});
    };
    std::visit(launch, f);
}

bool gpu_has_bf16x3(const GpuChip& chip) {
    return std::is_same_v<nn_real, float> && chip.capability >= 80;
}
