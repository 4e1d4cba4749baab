// gpu_problem.cu: see gpu_problem.h.
#include "gpu_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace {

constexpr Wide u = std::numeric_limits<nn_real>::epsilon() / 2;
/// exp and a division, each within 2 units in the last place.
constexpr Wide function_error = 6 * u;
constexpr Wide tiny = std::numeric_limits<nn_real>::min();
constexpr int samples = 256;

constexpr int convert_threads = 256;

/// Mapping: block j converts image j, its threads stride over the image; no shared memory. Rows
/// from `pixels` on are 1 and then 0, as far as the stride goes.
__global__ void __launch_bounds__(convert_threads)
    convert_kernel(int pixels, int stride, nn_real scale, const std::uint8_t* __restrict__ bytes,
                   nn_real* __restrict__ x) {
    const std::size_t j = blockIdx.x;
    for (int i = static_cast<int>(threadIdx.x); i < stride; i += convert_threads) {
        const std::size_t pixel =
            j * static_cast<std::size_t>(pixels) + static_cast<std::size_t>(i);
        x[j * static_cast<std::size_t>(stride) + static_cast<std::size_t>(i)] =
            i < pixels    ? scale * static_cast<nn_real>(bytes[pixel])
            : i == pixels ? nn_real{1}
                          : nn_real{0};
    }
}

std::vector<std::uint8_t> random_bytes(std::size_t count, int below, std::uint64_t seed) {
    Rng rng(seed);
    std::vector<std::uint8_t> x(count);
    for (auto& v : x)
        v = static_cast<std::uint8_t>((rng.bits() >> 32) * static_cast<std::uint64_t>(below) >> 32);
    return x;
}

std::size_t area(int rows, int cols) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
}

}  // namespace

// Columns of [X; 1] start at multiples of 128 bytes, as suits a library best.
Images::Images(int pixels, int count, int classes, cudaStream_t stream)
    : pixels_(pixels),
      count_(count),
      classes_(classes),
      stride_((pixels + 32) / 32 * 32),
      host_bytes_(random_bytes(area(pixels, count), 256, 1)),
      host_labels_(random_bytes(area(1, count), classes, 2)),
      bytes_(host_bytes_, stream),
      labels_(host_labels_, stream),
      packed_(area(pixels, count)),
      with_ones_(area(stride_, count)) {
    const dim3 grid(static_cast<unsigned>(count)), block(convert_threads);
    GPU_CHECK(gpu_launch(convert_kernel, grid, block, 0, stream, pixels, pixels, scale,
                         bytes_.data(), packed_.data()));
    GPU_CHECK(gpu_launch(convert_kernel, grid, block, 0, stream, pixels, stride_, scale,
                         bytes_.data(), with_ones_.data()));
    GPU_CHECK(cudaStreamSynchronize(stream));
}

const std::uint8_t* Images::bytes(int batch, int size) const {
    return bytes_.data() + first(batch, size, pixels_);
}
const std::uint8_t* Images::labels(int batch, int size) const {
    return labels_.data() + first(batch, size, 1);
}
const std::uint8_t* Images::host_bytes(int batch, int size) const {
    return host_bytes_.data() + first(batch, size, pixels_);
}
const std::uint8_t* Images::host_labels(int batch, int size) const {
    return host_labels_.data() + first(batch, size, 1);
}
const nn_real* Images::packed(int batch, int size) const {
    return packed_.data() + first(batch, size, pixels_);
}
const nn_real* Images::with_ones(int batch, int size) const {
    return with_ones_.data() + first(batch, size, stride_);
}

void Worst::add(Wide got, Wide expected, Wide bound) {
    const Wide error = std::abs(got - expected);
    if (error <= bound)
        value_ = std::max(value_, error == 0 ? 0 : static_cast<double>(error / bound));
    else  // NaN comes here
        value_ = std::isfinite(error / bound) ? std::max(value_, static_cast<double>(error / bound))
                                              : std::numeric_limits<double>::infinity();
}

std::vector<std::pair<int, int>> sample(int rows, int cols, int count) {
    std::vector<std::pair<int, int>> places{
        {0, 0}, {rows - 1, 0}, {0, cols - 1}, {rows - 1, cols - 1}};
    Rng rng(3);
    while (static_cast<int>(places.size()) < count)
        places.emplace_back(static_cast<int>(rng.below(static_cast<std::uint64_t>(rows))),
                            static_cast<int>(rng.below(static_cast<std::uint64_t>(cols))));
    return places;
}

std::vector<nn_real> normal_numbers(std::size_t count, double deviation, std::uint64_t seed) {
    Rng rng(seed);
    std::vector<nn_real> x(count);
    for (auto& v : x) v = static_cast<nn_real>(deviation * rng.normal());
    return x;
}

double layer_error(const LayerCheck& check, const std::vector<nn_real>& out, int n) {
    Worst worst;
    for (const auto& [i, j] : sample(check.m, n, samples)) {
        Wide sum = check.bias == nullptr ? Wide{0} : static_cast<Wide>(check.bias[i]);
        Wide size = std::abs(sum);
        for (int p = 0; p < check.k; ++p) {
            const Wide x = static_cast<Wide>(Images::scale) *
                           check.x[area(check.k, j) + static_cast<std::size_t>(p)];
            sum += check.w.at(i, p) * x;
            size += std::abs(check.w.at(i, p) * x);
        }
        const Wide z_bound = static_cast<Wide>(check.k + 4) * u * size;
        const Wide got = HostMatrix{out, check.m}.at(i, j), s = 1 / (1 + std::exp(-sum));
        if (check.bias == nullptr || !check.activated)
            worst.add(got, sum, z_bound);
        else
            worst.add(got, s, z_bound / 4 + function_error * s + tiny);
    }
    return worst.value();
}

double gradient_error(HostMatrix delta, const std::uint8_t* x, int n, int pixels, int columns,
                      const std::vector<nn_real>& out, int parts) {
    Worst worst;
    for (const auto& [i, c] : sample(delta.rows, columns, samples)) {
        Wide sum = 0, size = 0, got = 0;
        for (int j = 0; j < n; ++j) {
            const Wide value = c == pixels ? Wide{1}
                                           : static_cast<Wide>(Images::scale) *
                                                 x[area(pixels, j) + static_cast<std::size_t>(c)];
            sum += delta.at(i, j) * value;
            size += std::abs(delta.at(i, j) * value);
        }
        for (int s = 0; s < parts; ++s) got += HostMatrix{out, delta.rows}.at(i, c + s * columns);
        worst.add(got, sum, static_cast<Wide>(n + 4) * u * size);
    }
    return worst.value();
}

namespace {

/// The bound of a sum whose terms are each within `errors` roundings, and `others` on top.
Wide sum_bound(int terms, int errors, Wide size) {
    return static_cast<Wide>(terms + errors) * u * size + tiny;
}

void add_probabilities(Worst& worst, const HeadCheck& h, int j) {
    std::vector<Wide> z(static_cast<std::size_t>(h.classes));
    Wide z_bound = 0, total = 0, largest = -std::numeric_limits<Wide>::infinity();
    for (int c = 0; c < h.classes; ++c) {
        Wide sum = h.w.at(c, h.k), size = std::abs(sum);
        for (int p = 0; p < h.k; ++p) {
            sum += h.w.at(c, p) * h.a.at(p, j);
            size += std::abs(h.w.at(c, p) * h.a.at(p, j));
        }
        z[static_cast<std::size_t>(c)] = sum;
        largest = std::max(largest, sum);
        z_bound = std::max(z_bound, static_cast<Wide>(h.k + 4) * u * size);
    }
    for (const Wide value : z) total += std::exp(value - largest);
    for (int c = 0; c < h.classes; ++c) {
        const Wide z_c = z[static_cast<std::size_t>(c)], yhat = std::exp(z_c - largest) / total;
        // z moves yhat by a factor of at most exp(2 z_bound); the difference from the maximum is
        // rounded once, then exp, a sum and a division follow.
        const Wide factor = 2 * z_bound + 2 * u * std::abs(z_c - largest) +
                            static_cast<Wide>(h.classes + 2) * u + 2 * function_error;
        worst.add(h.yhat.at(c, j), yhat, std::expm1(factor) * yhat + tiny);
    }
}

/// The output's delta, from the device's own probabilities: two roundings away from its delta.
Wide delta_of(const HeadCheck& h, int c, int j) {
    return (h.yhat.at(c, j) - (c == h.labels[j] ? 1 : 0)) * static_cast<Wide>(h.scale);
}

}  // namespace

double head_error(const HeadCheck& h) {
    Worst worst;
    for (const auto& [unused, j] : sample(1, h.n, samples)) add_probabilities(worst, h, j);
    for (const auto& [i, j] : sample(h.k, h.n, samples)) {
        Wide sum = 0, size = 0;
        for (int c = 0; c < h.classes; ++c) {
            sum += h.w.at(c, i) * delta_of(h, c, j);
            size += std::abs(h.w.at(c, i) * delta_of(h, c, j));
        }
        const Wide a = h.a.at(i, j), slope = a * (1 - a);
        worst.add(h.delta_below.at(i, j), sum * slope,
                  sum_bound(h.classes, 8, size) * slope + tiny);
    }
    for (const auto& [c, i] : sample(h.classes, h.k + 1, samples)) {
        Wide sum = 0, size = 0, got = 0;
        for (int j = 0; j < h.n; ++j) {
            const Wide product = delta_of(h, c, j) * (i == h.k ? Wide{1} : h.a.at(i, j));
            sum += product;
            size += std::abs(product);
        }
        for (int s = 0; s < h.parts; ++s)
            got += HostMatrix{h.gradient, h.classes}.at(c, i + s * (h.k + 1));
        worst.add(got, sum, sum_bound(h.n, 8, size));
    }
    return worst.value();
}

double step_error(const StepCheck& s, const std::vector<nn_real>& before,
                  const std::vector<nn_real>& after, nn_real rate, nn_real reg) {
    Worst worst;
    Rng rng(4);
    for (int r = 0; r < samples; ++r) {
        const std::size_t i = r == 0 ? 0 : r == 1 ? s.count - 1 : rng.below(s.count);
        Wide sum = 0, size = 0;
        for (int part = 0; part < s.parts; ++part) {
            const Wide g = s.gradient[static_cast<std::size_t>(part) * s.count + i];
            sum += g;
            size += std::abs(g);
        }
        const Wide p = before[s.first + i], penalty = i < s.penalised ? reg * p : Wide{0};
        const Wide moved = static_cast<Wide>(rate) * (sum + penalty);
        const Wide bound = static_cast<Wide>(s.parts + 4) * u * static_cast<Wide>(rate) *
                               (size + std::abs(penalty)) +
                           2 * u * (std::abs(p) + std::abs(moved)) + tiny;
        worst.add(after[s.first + i], p - moved, bound);
    }
    return worst.value();
}

double path_error(const std::vector<nn_real>& x, const std::vector<nn_real>& reference,
                  const std::vector<nn_real>& start) {
    constexpr Wide plausible = std::is_same_v<nn_real, float> ? 1e-3 : 1e-10;
    Wide error = 0, way = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const Wide e = static_cast<Wide>(x[i]) - static_cast<Wide>(reference[i]);
        const Wide w = static_cast<Wide>(reference[i]) - static_cast<Wide>(start[i]);
        error += e * e;
        way += w * w;
    }
    Worst worst;
    worst.add(std::sqrt(error), 0, plausible * std::sqrt(way));
    return worst.value();
}
