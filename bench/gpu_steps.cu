// gpu_steps.cu: see gpu_steps.h.
#include "gpu_steps.h"

#include <algorithm>
#include <utility>

namespace {

constexpr int threads = 256;
constexpr int softmax_threads = 32;

std::size_t area(int rows, int cols) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
}

// ------------------------------------------------------------------ the library step's kernels

/// A block's threads take neighbouring elements of one column; grid: (rows, columns).
dim3 grid_of(int rows, int cols) {
    return {static_cast<unsigned>(ceil_div(rows, threads)), static_cast<unsigned>(cols)};
}

__device__ __forceinline__ int own_row() {
    return static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x);
}

/// a = sigmoid(a). Mapping: a thread an element, block (x, j) in column j; no shared memory.
__global__ void __launch_bounds__(threads) sigmoid_kernel(int rows, int stride, nn_real* a) {
    const int i = own_row();
    if (i >= rows) return;
    nn_real& value = a[position(i, static_cast<int>(blockIdx.y), stride)];
    value = 1 / (1 + exp(-value));
}

/// delta *= a (1 - a), delta packed. Mapping: as sigmoid_kernel.
__global__ void __launch_bounds__(threads)
    slope_kernel(int rows, int a_stride, const nn_real* __restrict__ a, nn_real* delta) {
    const int i = own_row(), j = static_cast<int>(blockIdx.y);
    if (i >= rows) return;
    const nn_real value = a[position(i, j, a_stride)];
    delta[position(i, j, rows)] *= value * (1 - value);
}

/// z becomes (softmax(z) - y) scale, and loss_j grows by the sample's loss. Mapping: a thread a
/// sample, for a sample has few classes; no shared memory.
__global__ void __launch_bounds__(softmax_threads)
    softmax_kernel(int classes, int n, const std::uint8_t* __restrict__ labels, nn_real scale,
                   nn_real* z, double* loss) {
    const int j = static_cast<int>(blockIdx.x) * softmax_threads + static_cast<int>(threadIdx.x);
    if (j >= n) return;
    nn_real* column = z + position(0, j, classes);
    nn_real largest = column[0], sum = 0;
    for (int c = 1; c < classes; ++c)
        if (column[c] > largest) largest = column[c];
    for (int c = 0; c < classes; ++c) sum += exp(column[c] - largest);
    loss[j] += static_cast<double>(log(sum) - (column[labels[j]] - largest));
    for (int c = 0; c < classes; ++c)
        column[c] = (exp(column[c] - largest) / sum - (c == labels[j] ? 1 : 0)) * scale;
}

/// p -= rate (gradient + reg p), without reg for the biases, which are the elements
/// [bias_1, weights_2) and from bias_2 on. Mapping: a thread an element; no shared memory.
__global__ void __launch_bounds__(threads)
    plain_step_kernel(std::size_t count, std::size_t bias_1, std::size_t weights_2,
                      std::size_t bias_2, nn_real rate, nn_real reg,
                      const nn_real* __restrict__ gradient, nn_real* p) {
    const std::size_t i = static_cast<std::size_t>(blockIdx.x) * threads + threadIdx.x;
    if (i >= count) return;
    const bool weight = i < bias_1 || (i >= weights_2 && i < bias_2);
    p[i] -= rate * (gradient[i] + (weight ? reg * p[i] : 0));
}

/// Rows [first, stride) of the matrix become 1 and then 0. Mapping: a thread an element of a
/// column, block j has column j; no shared memory.
__global__ void __launch_bounds__(threads) ones_kernel(int first, int stride, nn_real* a) {
    const int i = first + static_cast<int>(threadIdx.x);
    if (i < stride) a[position(i, static_cast<int>(blockIdx.x), stride)] = i == first ? 1 : 0;
}

constexpr int plain_m = 32, plain_n = threads / plain_m;

/// Mapping: a thread an element of C, a warp 32 rows of one column; no shared memory.
__global__ void __launch_bounds__(threads)
    plain_product_kernel(int m, int n, int k, const nn_real* __restrict__ a, int a_stride,
                         bool a_transposed, const nn_real* __restrict__ b, int b_stride,
                         bool b_transposed, nn_real* __restrict__ c, int c_stride) {
    const int t = static_cast<int>(threadIdx.x);
    const int i = static_cast<int>(blockIdx.x) * plain_m + t % plain_m;
    const int j = static_cast<int>(blockIdx.y) * plain_n + t / plain_m;
    if (i >= m || j >= n) return;
    nn_real sum = 0;
    for (int p = 0; p < k; ++p)
        sum += (a_transposed ? a[position(p, i, a_stride)] : a[position(i, p, a_stride)]) *
               (b_transposed ? b[position(j, p, b_stride)] : b[position(p, j, b_stride)]);
    c[position(i, j, c_stride)] = sum;
}

}  // namespace

Product plain_product(const Gpu& gpu) {
    return
        [gpu](Ones, int m, int n, int k, CublasMatrix a, CublasMatrix b, nn_real* c, int c_stride) {
            const dim3 grid(static_cast<unsigned>(ceil_div(m, plain_m)),
                            static_cast<unsigned>(ceil_div(n, plain_n)));
            GPU_CHECK(gpu_launch(plain_product_kernel, grid, dim3(threads), 0, gpu.stream, m, n, k,
                                 a.data, a.stride, a.transposed == Transposed::yes, b.data,
                                 b.stride, b.transposed == Transposed::yes, c, c_stride));
        };
}

// ------------------------------------------------------------------ our step

namespace {

DigitsSize larger(const DigitsSize& a, const DigitsSize& b) {
    return {std::max(a.words, b.words), std::max(a.scales, b.scales)};
}
JointSize larger(const JointSize& a, const JointSize& b) {
    return {std::max(a.parts, b.parts), std::max(a.tickets, b.tickets)};
}

}  // namespace

OurStep::OurStep(const Gpu& gpu, GemmBy by, Shape shape, const Images& images)
    : gpu_(gpu),
      by_(by),
      shape_(shape),
      images_(images),
      layout_({images.pixels(), shape.hidden, images.classes()}),
      layer_plan_(
          plan_gemm(gpu.chip, by, shape.hidden, shape.batch, images.pixels(), Split::joined)),
      gradient_plan_(plan_gemm(gpu.chip, by, shape.hidden, images.pixels() + 1, shape.batch,
                               by == GemmBy::int8 ? Split::joined : Split::left)),
      descent_plan_(
          plan_gemm(gpu.chip, by, shape.hidden, images.pixels() + 1, shape.batch, Split::joined)),
      head_parts_(gpu_head_parts(gpu.chip, images.classes(), shape.batch)),
      joint_(larger(joint_size(by, layer_plan_, shape.hidden, shape.batch),
                    joint_size(by, descent_plan_, shape.hidden, images.pixels() + 1)),
             gpu.stream),
      digits_(larger(digits_size(by, shape.hidden, shape.batch, images.pixels()),
                     digits_size(by, shape.hidden, images.pixels() + 1, shape.batch))),
      p_(layout_.total()),
      a_(area(shape.hidden, shape.batch)),
      yhat_(area(images.classes(), shape.batch)),
      delta_(area(shape.hidden, shape.batch)),
      head_gradient_(area(images.classes(), shape.hidden + 1) *
                     static_cast<std::size_t>(head_parts_)),
      parts_(layout_.weight_offset(2) *
             static_cast<std::size_t>(gradient_parts(by, gradient_plan_))),
      update_(std::vector{UpdateNumbers{step_rate, step_reg}}, gpu.stream),
      no_update_(std::vector{UpdateNumbers{0, step_reg}}, gpu.stream),
      loss_(most_head_parts) {
    loss_.fill_bytes(0, gpu.stream);
}

void OurStep::layer(int batch) {
    gpu_layer(gpu_, by_, shape_.hidden, shape_.batch, images_.pixels(), p_.data(),
              input_of(images_.bytes(batch, shape_.batch), Images::scale),
              p_.data() + layout_.bias_offset(1), a_.data(), layer_plan_, {}, joint_.get(),
              digits_.get());
}

void OurStep::head(int batch) {
    gpu_head(gpu_, {.objective = {},
                    .classes = images_.classes(),
                    .n = shape_.batch,
                    .k = shape_.hidden,
                    .w = p_.data() + layout_.weight_offset(2),
                    .bias = p_.data() + layout_.bias_offset(2),
                    .a = input_of(a_.data()),
                    .labels = images_.labels(batch, shape_.batch),
                    .targets = nullptr,
                    .scale = nn_real{1} / static_cast<nn_real>(shape_.batch),
                    .yhat = yhat_.data(),
                    .delta_below = delta_.data(),
                    .gradient = head_gradient_.data(),
                    .loss = loss_.data()});
}

void OurStep::gradient(int batch) {
    gpu_gradient(gpu_, by_, shape_.hidden, shape_.batch, images_.pixels(), delta_.data(),
                 input_of(images_.bytes(batch, shape_.batch), Images::scale), 0,
                 images_.pixels() + 1, parts_.data(), layout_.weight_offset(2), gradient_plan_,
                 joint_.get(), digits_.get());
}

std::vector<Parts> OurStep::runs() const {
    const std::size_t below = layout_.weight_offset(2), above = layout_.total() - below;
    return {
        {0, below, layout_.weights(1), parts_.data(), below, gradient_parts(by_, gradient_plan_)},
        {below, above, layout_.weights(2), head_gradient_.data(), above, head_parts_}};
}

void OurStep::descent(int batch, const DeviceArray<UpdateNumbers>& numbers) {
    gpu_gradient_and_descent(
        gpu_, by_, shape_.hidden, shape_.batch, images_.pixels(), delta_.data(),
        input_of(images_.bytes(batch, shape_.batch), Images::scale), numbers.data(), p_.data(), 0,
        std::vector{runs()[1]}, descent_plan_, joint_.get(), digits_.get());
}

void OurStep::all(int batch) {
    layer(batch);
    head(batch);
    descent(batch);
}

void OurStep::poison_head() {
    yhat_.fill_bytes(0xff, gpu_.stream);
    delta_.fill_bytes(0xff, gpu_.stream);
    head_gradient_.fill_bytes(0xff, gpu_.stream);
}

double OurStep::layer_error(int batch) const {
    const std::vector<nn_real> p = parameters();
    return ::layer_error({shape_.hidden, images_.pixels(), p.data() + layout_.bias_offset(1),
                          HostMatrix{p, shape_.hidden}, images_.host_bytes(batch, shape_.batch)},
                         a_.download(gpu_.stream), shape_.batch);
}

double OurStep::head_error(int batch) const {
    const std::vector<nn_real> p = parameters(), a = a_.download(gpu_.stream),
                               yhat = yhat_.download(gpu_.stream),
                               delta = delta_.download(gpu_.stream),
                               gradient = head_gradient_.download(gpu_.stream);
    const std::vector<nn_real> w(p.begin() + static_cast<std::ptrdiff_t>(layout_.weight_offset(2)),
                                 p.end());
    return ::head_error(
        {images_.classes(), shape_.hidden, shape_.batch, HostMatrix{w, images_.classes()},
         HostMatrix{a, shape_.hidden}, images_.host_labels(batch, shape_.batch),
         nn_real{1} / static_cast<nn_real>(shape_.batch), HostMatrix{yhat, images_.classes()},
         HostMatrix{delta, shape_.hidden}, gradient, head_parts_});
}

double OurStep::gradient_error(int batch) const {
    const std::vector<nn_real> delta = delta_.download(gpu_.stream);
    return ::gradient_error(HostMatrix{delta, shape_.hidden},
                            images_.host_bytes(batch, shape_.batch), shape_.batch, images_.pixels(),
                            images_.pixels() + 1, parts_.download(gpu_.stream),
                            gradient_parts(by_, gradient_plan_));
}

double OurStep::step_error() {
    const std::vector<nn_real> before = parameters();
    step();
    const std::vector<nn_real> after = parameters();
    double worst = 0;
    for (const Parts& run : runs()) {
        const auto& source = run.first == 0 ? parts_ : head_gradient_;
        const double error = ::step_error(
            {run.first, run.count, run.penalised, source.download(gpu_.stream), run.parts}, before,
            after, step_rate, step_reg);
        worst = std::max(worst, error);
    }
    return worst;
}

// ------------------------------------------------------------------ the library's step

LibraryStep::LibraryStep(const Gpu& gpu, Product product, Shape shape, const Images& images)
    : gpu_(gpu),
      product_(std::move(product)),
      shape_(shape),
      images_(images),
      layout_({images.pixels(), shape.hidden, images.classes()}),
      a_stride_((shape.hidden + 32) / 32 * 32),
      p_(layout_.total()),
      gradient_(layout_.total()),
      a_(area(a_stride_, shape.batch)),
      delta_below_(area(shape.hidden, shape.batch)),
      delta_(area(images.classes(), shape.batch)),
      loss_(area(1, shape.batch)) {
    loss_.fill_bytes(0, gpu.stream);
    GPU_CHECK(gpu_launch(ones_kernel, dim3(static_cast<unsigned>(shape.batch)), dim3(threads), 0,
                         gpu.stream, shape.hidden, a_stride_, a_.data()));
}

void LibraryStep::all(int batch) {
    const int h = shape_.hidden, n = shape_.batch, d = images_.pixels(), k = images_.classes();
    const CublasMatrix x{images_.with_ones(batch, n), images_.stride()}, a{a_.data(), a_stride_};
    const auto transposed = [](CublasMatrix matrix) {
        matrix.transposed = Transposed::yes;
        return matrix;
    };
    product_(Ones::in_sum, h, n, d + 1, {weights(p_, 1), h}, x, a_.data(), a_stride_);
    GPU_CHECK(gpu_launch(sigmoid_kernel, grid_of(h, n), dim3(threads), 0, gpu_.stream, h, a_stride_,
                         a_.data()));
    product_(Ones::in_sum, k, n, h + 1, {weights(p_, 2), k}, a, delta_.data(), k);
    GPU_CHECK(gpu_launch(softmax_kernel, dim3(static_cast<unsigned>(ceil_div(n, softmax_threads))),
                         dim3(softmax_threads), 0, gpu_.stream, k, n, images_.labels(batch, n),
                         nn_real{1} / static_cast<nn_real>(n), delta_.data(), loss_.data()));
    product_(Ones::in_columns, k, h + 1, n, {delta_.data(), k}, transposed(a),
             weights(gradient_, 2), k);
    product_(Ones::none, h, n, k, transposed({weights(p_, 2), k}), {delta_.data(), k},
             delta_below_.data(), h);
    GPU_CHECK(gpu_launch(slope_kernel, grid_of(h, n), dim3(threads), 0, gpu_.stream, h, a_stride_,
                         a_.data(), delta_below_.data()));
    product_(Ones::in_columns, h, d + 1, n, {delta_below_.data(), h}, transposed(x),
             weights(gradient_, 1), h);
    const std::size_t total = layout_.total();
    GPU_CHECK(gpu_launch(
        plain_step_kernel, dim3(static_cast<unsigned>((total + threads - 1) / threads)),
        dim3(threads), 0, gpu_.stream, total, layout_.bias_offset(1), layout_.weight_offset(2),
        layout_.bias_offset(2), step_rate, step_reg, gradient_.data(), p_.data()));
}
