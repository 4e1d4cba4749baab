// kernels_driver.cpp forward|all-orders [KERNELS]: runs every launcher of kernels.h and gpu_func.h,
// or those of some kernels alone, on small inputs, in forward order or every order of threads and
// blocks.
//
// kernels.sh links it with the kernels as they are and with defects planted in them. It says what
// no sanitizer says: a result that is not a finite number, and a result that depends on the order
// in which threads run. Sizes are chosen so that every kernel has edges, several blocks and several
// rounds of its loops. Exit code 0 when nothing was found, else 1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/range.h"
#include "device/gpu/kernels.h"
#include "device/gpu/persistent.h"
#include "gpu_func.h"

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

constexpr GemmTile tiles[] = {GemmTile::small, GemmTile::medium, GemmTile::large};
constexpr bool in_float = sizeof(nn_real) == sizeof(float);

/// m and k decide whether the kernel may move packs; `shift` puts A off their alignment.
void run_gemms(const Gpu& gpu, Results& results, int m, int n, int k, int shift) {
    const Array<nn_real> a(random_values(m * k + shift)), b(random_values(k * n));
    for (const auto op_a : {Transposed::no, Transposed::yes})
        for (const auto op_b : {Transposed::no, Transposed::yes})
            for (const GemmTile tile : tiles) {
                const Array<nn_real> c(elements(m, n));
                gpu_gemm(gpu, op_a, op_b, m, n, k, 2, a + shift, b, 0, c, {tile, 1});
                gpu_gemm(gpu, op_a, op_b, m, n, k, 1, a + shift, b, nn_real{0.5}, c, {tile, 1});
                results["gemm " + std::to_string(m) + ' ' + std::to_string(shift) + ' ' +
                        std::to_string(results.size())] = c.values();
            }
}

[[noreturn]] void end(const char* what, std::size_t element, double value, double expected) {
    std::printf("int8, element %zu: %.17g %s (%.17g)\n", element, value, what, expected);
    std::exit(1);
}
/// Sums in whole numbers have the same bits by every tile and in any number of parts.
void expect_same(std::vector<double>& first, const std::vector<double>& got) {
    if (first.empty()) first = got;
    for (std::size_t i = 0; i < got.size(); ++i)
        if (!(got[i] == first[i])) end("depends on the plan", i, got[i], first[i]);
}
/// [dW|db] of run_layers' inputs: a number of a row is off by half of its scale at most.
void expect_plain_sums(int m, int n, int k, const std::vector<double>& got) {
    const std::vector<nn_real> delta = random_values(m * n);
    const std::vector<std::uint8_t> pixels = random_bytes(n * k, 256);
    for (int i = 0; i < m; ++i)
        for (int p = 0; p <= k; ++p) {
            double sum = 0, inputs = 0, largest = 0;
            for (int j = 0; j < n; ++j) {
                const double x = p < k ? pixels[position(p, j, k)] / 256. : 1;
                const auto d = static_cast<double>(delta[position(i, j, m)]);
                sum += d * x;
                inputs += x;
                largest = std::max(largest, std::abs(d));
            }
            const double half = std::ldexp(0.5, std::ilogb(largest) - 29);
            const std::size_t at = position(i, p, m);
            if (!(std::abs(got[at] - sum) <= half * inputs + std::ldexp(std::abs(sum), -22)))
                end("is not the plain sum", at, got[at], sum);
        }
}

/// A hidden layer of m units on n images of k pixels, and its gradient in two parts.
void run_layers(const Gpu& gpu, GemmBy by, Results& results, int m, int n, int k) {
    const Array<nn_real> w(random_values(m * k)), bias(random_values(m)),
        delta(random_values(m * n));
    const Array<std::uint8_t> pixels(random_bytes(n * k, 256));
    const Input input = input_of(pixels, nn_real{1} / 256);
    const DigitsSize forward = digits_size(by, m, n, k), back = digits_size(by, m, k + 1, n);
    const Array<std::uint32_t> words(std::max(forward.words, back.words));
    const Array<float> scales(std::max(forward.scales, back.scales));
    const Digits digits{words, scales};
    std::vector<double> layer, gradient;  // by int8, of any plan
    for (const GemmTile tile : tiles) {
        const JointSize a = joint_size(by, {tile, 3}, m, n),
                        b = joint_size(by, {tile, 2}, m, k + 1);
        const Array<nn_real> shares(std::max(a.parts, b.parts));
        const Array<unsigned> tickets(std::vector<unsigned>(std::max(a.tickets, b.tickets)));
        const Joint joint{shares, tickets};
        const auto left = static_cast<std::size_t>(gradient_parts(by, {tile, 2}));
        const Array<nn_real> out(elements(m, n)), parts(left * elements(m, k + 1));
        gpu_layer(gpu, by, m, n, k, w, input, bias, out, {tile, 1}, {}, {}, digits);
        gpu_gradient(gpu, by, m, n, k, delta, input, 0, k + 1, parts, elements(m, k + 1), {tile, 2},
                     joint, digits);
        results["layer " + std::to_string(results.size())] = out.values();
        const Array<nn_real> joined(elements(m, n));
        gpu_layer(gpu, by, m, n, k, w, input, bias, joined, {tile, 3}, {}, joint, digits);
        if (by == GemmBy::int8) {
            expect_same(layer, out.values());
            expect_same(layer, joined.values());
            expect_same(gradient, parts.values());
            expect_plain_sums(m, n, k, parts.values());
        }
        results["joined layer " + std::to_string(results.size())] = joined.values();
        results["gradient " + std::to_string(results.size())] = parts.values();
    }
}

void run_head(const Gpu& gpu, Results& results, const Objective& objective, const char* name,
              int classes = 37, int n = 21) {
    constexpr int k = 300;
    const Array<nn_real> w(random_values(classes * k)), bias(random_values(classes));
    const Array<nn_real> a(random_values(k * n)), yhat(elements(classes, n)), below(elements(k, n));
    const Array<std::uint8_t> labels(random_bytes(n, classes));
    const int parts = gpu_head_parts(gpu.chip, classes, n);
    const Array<nn_real> gradient(elements(classes * (k + 1), parts));
    const Array<double> loss(std::vector<double>(static_cast<std::size_t>(parts), 0.0));
    gpu_head(gpu, {objective, classes, n, k, w, bias, input_of(a), labels, nullptr, nn_real{0.125},
                   yhat, below, gradient, loss});
    results[name + std::string(" head's yhat")] = yhat.values();
    results[name + std::string(" head's delta below")] = below.values();
    results[name + std::string(" head's gradient")] = gradient.values();
    results[name + std::string(" head's loss")] = loss.values();
}

void run_the_others(const Gpu& gpu, Results& results) {
    constexpr int count = 1470, parts = 20;
    const Array<nn_real> p(random_values(2 * count)), gradient(random_values(count * (parts + 2)));
    const Array<UpdateNumbers> numbers(std::vector<UpdateNumbers>{{nn_real{0.125}, nn_real{0.25}}});
    const Parts runs[] = {{0, count, 1000, gradient, count, 2},
                          {count, count, 100, gradient + 2 * count, count, parts}};
    gpu_update(gpu, runs, Sgd{}, numbers, p, 0);
    results["update"] = p.values();
    const Array<double> squares(std::size_t{gpu_square_slots});
    gpu_sum_of_squares(gpu, 2 * count, p, squares);
    results["sum of squares"] = squares.values();

    constexpr int d = 300, samples = 4;
    const Array<std::uint8_t> pixels(random_bytes(d * 5, 256)), labels(random_bytes(5, 10));
    const Array<std::uint32_t> order(std::vector<std::uint32_t>{4, 0, 3, 1});
    const Array<std::uint8_t> pixels_out(elements(d, samples)), labels_out(std::size_t{samples});
    gpu_gather(gpu, d, 1, samples, order, pixels, labels, pixels_out, labels_out);
    results["gathered pixels"] = pixels_out.values();
    results["gathered labels"] = labels_out.values();
}

/// Two tiles a side and two steps along k, by every transpose.
void run_course_products(cudaStream_t stream, Results& results) {
    constexpr int m = 18, n = 17, k = 20;
    const Array<nn_real> a(random_values(m * k)), b(random_values(k * n));
    for (const auto op_a : {Transposed::no, Transposed::yes})
        for (const auto op_b : {Transposed::no, Transposed::yes}) {
            const Array<nn_real> c(elements(m, n));
            course_gemm(stream, op_a, op_b, m, n, k, 2, a, b, 0, c);
            course_gemm(stream, op_a, op_b, m, n, k, 1, a, b, nn_real{0.5}, c);
            results["course's gemm " + std::to_string(results.size())] = c.values();
        }
}

/// The rest of the course's step, with more outputs than a block has threads.
void run_course(cudaStream_t stream, Results& results, const Objective& objective,
                const std::string& name) {
    constexpr int outputs = 150, n = 3;
    constexpr std::size_t count = outputs * n;
    const Array<nn_real> bias(random_values(outputs)), yhat(random_values(count)), delta(count);
    const Array<std::uint8_t> pixels(random_bytes(count, 256)), labels(random_bytes(n, outputs));
    const Array<double> losses(std::vector<double>(n, 0.0));
    course_output(stream, {objective, outputs, n, bias, labels, nullptr, nn_real{0.125}, yhat,
                           delta, losses});
    results[name + "yhat"] = yhat.values();
    results[name + "losses"] = losses.values();
    const Array<nn_real> db(std::size_t{outputs}), a(count);
    course_row_sums(stream, outputs, n, delta, db);
    course_numbers(stream, count, nn_real{1} / 256, pixels, a);
    course_activate(stream, outputs, n, bias, a);
    course_delta(stream, count, a, delta);
    course_update(stream, Sgd{}, {nn_real{0.125}, nn_real{0.25}}, outputs, db, bias, 0);
    results[name + "a"] = a.values();
    results[name + "db"] = db.values();
    results[name + "delta"] = delta.values();
    results[name + "bias"] = bias.values();
}

/// Launches of the persistent kernel, of three steps and of two, by two blocks, of four units and
/// of three. In random order a word that comes too early or too late does harm by chance alone, so
/// there are more launches.
void run_persistent(int capability, Results& results) {
    const Gpu gpu{nullptr, {2, capability}};
    constexpr int inputs = 68, hidden = 7, classes = 3, batch = 7, images = 15;
    const ReplicaShape shape{Layout({inputs, hidden, classes}), batch, nn_real{1} / 256};
    const Array<std::uint8_t> pixels(random_bytes(inputs * images, 256)),
        labels(random_bytes(images, classes));
    const Array<nn_real> p(random_values(static_cast<int>(shape.layout.total()))),
        yhat(elements(classes, batch));
    const Array<double> loss(std::vector<double>(persistent_loss_slots, 0.0));
    PersistentKernel kernel(shape, batch, gpu);
    const auto launch = [&](std::size_t count) {
        kernel.run({pixels,
                    labels,
                    count,
                    batch,
                    nn_real{1} / batch,
                    1,
                    {nn_real{0.125}, nn_real{0.25}},
                    p,
                    yhat,
                    loss,
                    true});
    };
    launch(images);
    launch(batch + 1);
    results["persistent parameters"] = p.values();
    results["persistent loss"] = loss.values();
    const int more = gpuhost::config().order == gpuhost::Order::random ? 10 : 0;
    for (int i = 0; i < more; ++i) launch(images);
    kernel.check();
}

/// Which kernels to run: persistent, course, head, parts, fma, bf16x3 or int8; empty for all.
std::string wanted;
bool wants(const char* kernels) { return wanted.empty() || wanted == kernels; }

void run_on(int capability, Results& results) {
    gpuhost::config().capability = capability;
    const Gpu gpu{nullptr, {gpuhost::config().multiprocessors, capability}};
    if (wants("head")) {
        run_head(gpu, results, {}, "default");
        run_head(gpu, results, {OutputLayer::softmax, LossFunction::mse}, "mse");
        run_head(gpu, results, {}, "narrow", 10, 40);  // more than one round of a block
    }
    if (wants("parts")) run_the_others(gpu, results);
    if (wants("fma")) {
        run_gemms(gpu, results, 9, 7, 5, 0);
        run_gemms(gpu, results, 132, 36, 84, 0);
        run_gemms(gpu, results, 36, 68, 40, 1);
        run_layers(gpu, GemmBy::fma, results, 37, 70, 41);
    }
    for (const GemmBy by : {GemmBy::bf16x3, GemmBy::int8}) {
        if (!in_float || capability < 80 || !wants(by == GemmBy::int8 ? "int8" : "bf16x3"))
            continue;
        run_layers(gpu, by, results, 37, 70, 41);
        run_layers(gpu, by, results, 36, 72, 136);
    }
}

Results run_all(gpuhost::Order order, unsigned seed) {
    gpuhost::config().order = order;
    gpuhost::config().seed = seed;
    Results results;
    gpuhost::config().capability = 90;
    gpuhost::config().fresh_word = 1;  // as if others had used the memory before
    if (wants("persistent")) run_persistent(90, results);
    gpuhost::config().fresh_word = ~0u;
    if (wants("course")) {
        run_course_products(nullptr, results);
        run_course(nullptr, results, {}, "course, default: ");
        run_course(nullptr, results, {OutputLayer::softmax, LossFunction::mse}, "course, mse: ");
    }
    for (const int capability : {75, 90}) run_on(capability, results);
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
    if (argc == 3) wanted = argv[2];
    const Results forward = run_all(gpuhost::Order::forward, 1);
    if (forward.empty()) std::printf("no kernels are called %s\n", wanted.c_str());
    bool ok = !forward.empty() && sound(forward, forward);
    if (argc >= 2 && std::string(argv[1]) == "all-orders")
        ok = ok && sound(run_all(gpuhost::Order::reverse, 1), forward) &&
             sound(run_all(gpuhost::Order::random, 1), forward) &&
             sound(run_all(gpuhost::Order::random, 1001), forward);
    return ok ? 0 : 1;
} catch (const Failure& failure) {
    std::puts(failure.what());
    return exit_failure;
}
