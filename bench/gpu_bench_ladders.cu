// gpu_bench_ladders.cu: what each idea of gpu_ladder.h buys, and an epoch as ./main takes it.
//
// Products and layers are contenders by gpu_contest.h. Epochs are timed by the host's clock, until
// their losses are known, for an epoch is more than kernels.
#include <chrono>
#include <cmath>
#include <deque>
#include <functional>
#include <numeric>
#include <utility>

#include "base/random.h"
#include "device/gpu/owned.h"
#include "device/replica.h"
#include "gpu_bench.h"
#include "gpu_ladder.h"
#include "gpu_traffic.h"
#include "model/initial.h"

// ------------------------------------------------------------------ products

void measure_ladders(Bench& bench, Shape shape) {
    const Gpu& gpu = bench.gpu;
    const Images& images = bench.images;
    const int m = shape.hidden, n = shape.batch, k = images.pixels();
    const auto a_values = normal_numbers(elements(m, k), 1 / std::sqrt(k), 41);
    const std::vector<nn_real> zeros(elements(m, 1));
    const DeviceArray<nn_real> a(a_values, gpu.stream), no_bias(zeros, gpu.stream);
    DeviceArray<nn_real> c(elements(m, n));
    std::vector<Contender> contenders;
    const auto add = [&](std::string name, const nn_real* bias, std::function<void(int)> run) {
        contenders.push_back({.what = "ladder",
                              .name = std::move(name),
                              .flops = flops_of(m, n, k),
                              .run = std::move(run),
                              .poison = [&] { c.fill_bytes(0xff, gpu.stream); },
                              .error =
                                  [&, bias](int batch) {
                                      return layer_error({m, k, bias, HostMatrix{a_values, m},
                                                          images.host_bytes(batch, n)},
                                                         c.download(gpu.stream), n);
                                  }});
    };
    for (const LadderRung& rung : ladder())
        add(rung.name, nullptr, [&](int batch) {
            rung.multiply(gpu, m, n, k, a.data(), images.packed(batch, n), c.data());
        });
    std::deque<LayerByRung> layers;
    for (const LayerRung& rung : layer_ladder(gpu.chip))
        add(rung.name, zeros.data(),
            [&, &layer = layers.emplace_back(gpu, rung, m, n, k)](int batch) {
                layer.compute(a.data(), input_of(images.bytes(batch, n), Images::scale),
                              no_bias.data(), c.data());
            });
    bench.run(shape, contenders, images.batches(n));
}

// ------------------------------------------------------------------ epochs

namespace {

struct Epochs {
    std::vector<double> seconds;  ///< of each, in ascending order
    double loss;                  ///< the mean of the last one
    std::size_t uploaded;         ///< bytes, by keeping the set and by the first epoch
};

Epochs take_epochs(Bench& bench, Replica& replica, int batch, bool at_once) {
    const Images& images = bench.images;
    const int count = images.count();
    replica.write(initial_parameters<nn_real>(replica.shape().layout, 21, 0).values);
    const std::size_t before = uploaded_bytes();
    const auto bytes = elements(images.pixels(), count), labels = elements(1, count);
    if (!replica.samples().keep(
            Role::train, {{images.host_bytes(0, 1), bytes}, {images.host_labels(0, 1), labels}}))
        throw InputError("gpu_bench: the device has no room for the images; free its memory");
    std::vector<std::uint32_t> order(labels);
    std::iota(order.begin(), order.end(), 0u);
    Rng rng(31);
    Epochs epochs{};
    for (int e = 0; e <= (bench.effort.repetitions > 2 ? 10 : 1); ++e) {
        shuffle(order, rng);
        const auto start = std::chrono::steady_clock::now();
        replica.samples().set_order(order);
        take_steps(replica, {labels, batch, {step_rate, step_reg}}, at_once);
        epochs.loss = replica.take_loss() / count;
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        if (e == 0)  // warms up, and records its graphs
            epochs.uploaded = uploaded_bytes() - before;
        else
            epochs.seconds.push_back(time.count());
    }
    std::ranges::sort(epochs.seconds);
    return epochs;
}

/// The row of epochs, whose times are told in parts: of one, the whole; of as many as steps, a
/// step.
void add_row(Bench& bench, Shape shape, const char* what, const char* name, const Epochs& epochs,
             int parts) {
    // Random labels: the mean loss starts near log(classes), and an average guess costs no more
    // than a few times that. Anything else, NaN too, is no training.
    const double error = epochs.loss / (3 * std::log(bench.images.classes()));
    const std::size_t n = epochs.seconds.size();
    const auto quarter = [&](std::size_t q) { return epochs.seconds[n * q / 4] / parts; };
    const Measured m{what,  name, quarter(2), quarter(1), quarter(3), static_cast<int>(n),
                     parts, 0,    error,      true,       true};
    bench.csv.row(shape, m, epochs.uploaded);
    if (m.right()) return;
    bench.right = false;
    std::fprintf(stderr, "WRONG  %s (%d,%d) %s, %s: the mean loss is %g; training diverges\n",
                 nn_real_name, shape.hidden, shape.batch, what, name, epochs.loss);
}

ReplicaShape shape_of(const Bench& bench, Shape shape) {
    return {Layout({bench.images.pixels(), shape.hidden, bench.images.classes()}), shape.batch,
            Images::scale};
}
int first_device() { return find_cuda_devices().usable.front().number; }

}  // namespace

void measure_epoch(Bench& bench, Shape shape) {
    const bool bf16x3 = gpu_has_bf16x3(bench.gpu.chip);
    const auto replica =
        make_cuda_replica(shape_of(bench, shape), {.device = first_device(), .bf16x3 = bf16x3});
    add_row(bench, shape, "epoch", name_of(bf16x3 ? GemmBy::bf16x3 : GemmBy::fma),
            take_epochs(bench, *replica, shape.batch, true), 1);
}

void measure_step_ladder(Bench& bench, Shape shape) {
    const ReplicaShape replica_shape = shape_of(bench, shape);
    const int device = first_device(), steps = ceil_div(bench.images.count(), shape.batch);
    for (const StepRung& rung : step_ladder()) {
        const std::string why_not =
            rung.persistent
                ? why_not_persistent(replica_shape, rung.settings(replica_shape, device))
                : "";
        if (!why_not.empty()) {
            bench.csv.note("no step ladder by " + std::string(rung.name), why_not);
            continue;
        }
        const auto replica = rung.replica(replica_shape, device);
        add_row(bench, shape, "step ladder", rung.name,
                take_epochs(bench, *replica, shape.batch, rung.at_once), steps);
    }
}
