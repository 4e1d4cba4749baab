// planted_driver.cpp: runs every launcher of gpu_func.h on small inputs, in forward order, or with
// the argument all-orders in every order of threads and blocks.
//
// planted.sh links it with gpu_func.cu as it is and with defects planted in it. It says what no
// sanitizer says: a result that is not a finite number, and a result that depends on the order in
// which threads run. Sizes are chosen so that every kernel has edges, several blocks and several
// rounds of its loops. Exit code 0 when nothing was found, else 1.
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "gpu_func.h"
#include "rng.h"

namespace {
using Results = std::map<std::string, std::vector<double>>;

/// An array on the device, filled from the host or left as cudaMalloc gives it.
template <class T>
class Array {
  public:
    explicit Array(std::size_t count) : count_(count) {
        GPU_CHECK(cudaMalloc(&data_, count * sizeof(T)));
    }
    explicit Array(const std::vector<T>& values) : Array(values.size()) {
        GPU_CHECK(cudaMemcpyAsync(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice,
                                  nullptr));
    }
    ~Array() { cudaFree(data_); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;

    operator T*() const { return data_; }
    std::vector<double> values() const {
        std::vector<T> host(count_);
        GPU_CHECK(cudaMemcpyAsync(host.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost,
                                  nullptr));
        return {host.begin(), host.end()};
    }

  private:
    std::size_t count_;
    T* data_ = nullptr;
};

std::vector<nn_real> random_values(int count) {
    Rng rng(static_cast<std::uint64_t>(count));
    std::vector<nn_real> values(static_cast<std::size_t>(count));
    for (auto& value : values) value = static_cast<nn_real>(rng.normal());
    return values;
}

std::vector<std::uint8_t> random_bytes(int count, std::uint64_t below) {
    Rng rng(static_cast<std::uint64_t>(count));
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(rng.below(below));
    return bytes;
}

/// m and k decide whether the kernel may use vector loads; `shift` puts A off their alignment.
void run_gemms(const Gpu& gpu, Results& results, int m, int n, int k, int shift) {
    const Array<nn_real> a(random_values(m * k + shift)), b(random_values(k * n));
    const auto size = static_cast<std::size_t>(m) * static_cast<std::size_t>(n);
    for (const auto op_a : {Transposed::no, Transposed::yes})
        for (const auto op_b : {Transposed::no, Transposed::yes})
            for (const auto tile : {GemmTile::small, GemmTile::medium, GemmTile::large}) {
                const Array<nn_real> c(size);
                gpu_gemm(gpu, op_a, op_b, m, n, k, 2, a + shift, b, 0, c, tile);
                gpu_gemm(gpu, op_a, op_b, m, n, k, 1, a + shift, b, nn_real{0.5}, c, tile);
                results["gemm " + std::to_string(m) + ' ' + std::to_string(shift) + ' ' +
                        std::to_string(results.size())] = c.values();
            }
    const Array<nn_real> bias(random_values(m));
    for (const auto activation : {Activation::none, Activation::sigmoid}) {
        const Array<nn_real> out(size);
        gpu_layer(gpu, activation, m, n, k, a + shift, b, bias, out);
        results["layer " + std::to_string(results.size())] = out.values();
    }
}

void run_softmax(const Gpu& gpu, Results& results) {
    constexpr int classes = 37, n = 9;
    const Array<nn_real> z(random_values(classes * n)), delta(std::size_t{classes * n});
    const Array<std::uint8_t> labels(random_bytes(n, classes));
    const Array<double> loss(std::vector<double>(gpu_loss_slots, 0.0));
    gpu_softmax_cross_entropy(gpu, classes, n, labels, nn_real{0.125}, z, delta, loss);
    results["softmax"] = z.values();
    results["softmax's delta"] = delta.values();
    results["softmax's loss"] = loss.values();
}

void run_the_others(const Gpu& gpu, Results& results) {
    constexpr int rows = 70, n = 21, count = rows * n;
    const Array<nn_real> x(random_values(count)), y(random_values(count + 1));
    const Array<nn_real> sums(std::size_t{rows});
    gpu_row_sums(gpu, rows, n, x, sums);
    results["row sums"] = sums.values();
    gpu_sigmoid_backward(gpu, count, y, x);
    results["sigmoid backward"] = x.values();
    gpu_step(gpu, count, nn_real{0.125}, nn_real{0.25}, y, x);
    results["step"] = x.values();
    const Array<double> squares(std::size_t{gpu_square_slots});
    gpu_sum_of_squares(gpu, count, x, squares);
    results["sum of squares"] = squares.values();

    constexpr int d = 300, samples = 5;
    const Array<std::uint8_t> pixels(random_bytes(d * samples, 256)), labels(random_bytes(5, 10));
    const Array<std::uint32_t> order(std::vector<std::uint32_t>{4, 0, 3, 1});
    const Array<nn_real> inputs(std::size_t{d * 4});
    const Array<std::uint8_t> labels_out(std::size_t{4});
    gpu_gather_pixels(gpu, d, 4, order, nn_real{0.5}, pixels, labels, inputs, labels_out);
    results["gathered pixels"] = inputs.values();
    results["gathered labels"] = labels_out.values();
}

Results run_all(gpuhost::Order order, unsigned seed) {
    gpuhost::config().order = order;
    gpuhost::config().seed = seed;
    const Gpu gpu{nullptr, gpuhost::config().multiprocessors};
    Results results;
    run_softmax(gpu, results);
    run_the_others(gpu, results);
    run_gemms(gpu, results, 9, 7, 5, 0);
    run_gemms(gpu, results, 37, 35, 41, 0);
    run_gemms(gpu, results, 132, 36, 20, 0);
    run_gemms(gpu, results, 36, 68, 40, 1);
    return results;
}

/// Whether every element of `results` is finite and the same as in `expected`.
bool sound(const Results& results, const Results& expected) {
    for (const auto& [name, values] : results)
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double value = values[i], other = expected.at(name)[i];
            const char* flaw = !std::isfinite(value) ? "is not finite"
                               : value != other      ? "depends on the order of threads"
                                                     : nullptr;
            if (!flaw) continue;
            std::printf("%s, element %zu: %.17g %s (forward: %.17g)\n", name.c_str(), i, value,
                        flaw, other);
            return false;
        }
    return true;
}
}  // namespace

int main(int argc, char** argv) try {
    const Results forward = run_all(gpuhost::Order::forward, 1);
    bool ok = sound(forward, forward);
    if (argc == 2 && std::string(argv[1]) == "all-orders")
        ok = ok && sound(run_all(gpuhost::Order::reverse, 1), forward) &&
             sound(run_all(gpuhost::Order::random, 1), forward) &&
             sound(run_all(gpuhost::Order::random, 1001), forward);
    return ok ? 0 : 1;
} catch (const Failure& failure) {
    std::puts(failure.what());
    return exit_failure;
}
