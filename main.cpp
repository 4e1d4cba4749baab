// main.cpp: options -> data -> train -> report. Every rank runs all of it; rank 0 reads and prints.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "comm.h"
#include "app/device.h"
#include "error.h"
#include "app/grade.h"
#include "judge.h"
#include "mnist_reader.h"
#include "neural_network.h"
#include "app/options.h"
#include "app/report.h"

namespace {

/// The images that rank 0 holds; every rank knows the sizes.
struct Data {
    Dataset train, held_out, test;  ///< pixels and labels on rank 0 alone
    std::size_t train_images = 0, held_out_images = 0, test_images = 0;
};

/// Moves the images from the `count`-th on out of `set` into a set of their own.
Dataset cut_off(Dataset& set, std::size_t count) {
    Dataset rest{set.rows, set.cols, set.classes, {}, {}};
    const auto pixel = set.pixels.begin() + static_cast<std::ptrdiff_t>(count * set.features());
    const auto label = set.labels.begin() + static_cast<std::ptrdiff_t>(count);
    rest.pixels.assign(pixel, set.pixels.end());
    rest.labels.assign(label, set.labels.end());
    set.pixels.erase(pixel, set.pixels.end());
    set.labels.erase(label, set.labels.end());
    return rest;
}

Data read_data(const Comm& comm, const Options& options) {
    Data data;
    comm.together([&] {
        if (!comm.is_root()) return;
        data.train = read_mnist(options.data, Split::train);
        data.test = read_test_set(options.data, data.train);
        const std::size_t whole = data.train.count();
        if (options.train_size > whole || options.hold_out >= whole)
            throw InputError(options.data + ": expected at least " +
                             std::to_string(std::max(options.train_size, options.hold_out)) +
                             " training images, found " + std::to_string(whole) +
                             "; use a smaller --train-size, or another set");
        data.held_out = cut_off(
            data.train, options.train_size > 0 ? options.train_size : whole - options.hold_out);
    });
    for (Dataset* set : {&data.train, &data.held_out, &data.test})
        for (int* field : {&set->rows, &set->cols, &set->classes})
            *field = static_cast<int>(comm.from_root(static_cast<std::uint64_t>(*field)));
    data.train_images = comm.from_root(data.train.count());
    data.held_out_images = comm.from_root(data.held_out.count());
    data.test_images = comm.from_root(data.test.count());
    return data;
}

Layout network_layout(const Options& options, const Data& data) {
    std::vector<int> sizes = options.hidden;
    sizes.insert(sizes.begin(), static_cast<int>(data.train.features()));
    sizes.push_back(data.train.classes);
    return Layout(sizes);
}

/// The largest part of a mini-batch that a rank works on.
int largest_slice(const Comm& comm, const Options& options, const Data& data) {
    const auto batch =
        std::min<std::size_t>(static_cast<std::size_t>(options.training.batch), data.train_images);
    return slice_of(static_cast<int>(batch), 0, comm.size()).count;
}

/// Samples that one rank's replica takes at once: its share of a mini-batch, or of an evaluation.
int slice_capacity(const Comm& comm, const Options& options, const Data& data) {
    return std::max(largest_slice(comm, options, data), 256);
}

/// What MPI's counts can hold. Throws InputError.
void check_sizes(const Layout& layout, const Options& options, const Data& data) {
    constexpr std::size_t most = std::numeric_limits<int>::max();
    const auto batch =
        std::min<std::size_t>(static_cast<std::size_t>(options.training.batch), data.train_images);
    if (layout.total() > most)
        throw InputError("-n: the network has " + std::to_string(layout.total()) +
                         " parameters, more than the 2147483647 that one MPI message holds; use "
                         "smaller layers");
    if (batch * data.train.features() > most)
        throw InputError("-b: a mini-batch of " + std::to_string(batch) +
                         " images is more than the 2147483647 bytes that one MPI message holds; "
                         "use a smaller batch");
}

std::string host_name() {
    char name[256] = "?";
    gethostname(name, sizeof name - 1);
    return name;
}

/// The largest relative L2 difference of a tensor that passes: 16 u (16 + sqrt(steps)). Each step
/// rounds every parameter by up to u = 2^-24 or 2^-53 of its size, and errors of changing sign add
/// up as the root of the steps; 16 is room for amplification by the network. The constant 16 is for
/// the first steps, where biases are small differences of rounded terms. README gives measurements.
double comparison_tolerance(const Training& training, std::size_t images) {
    const double u = std::numeric_limits<nn_real>::epsilon() / 2;
    const double batches = std::ceil(static_cast<double>(images) / training.batch);
    return 16 * u * (16 + std::sqrt(batches * training.epochs));
}

/// -s: rank 0 trains the reference from the same start and compares. The others wait.
bool compare_with_reference(const Comm& comm, const Options& options, const Data& data,
                            const Parameters<nn_real>& initial,
                            const Parameters<nn_real>& trained) {
    bool right = true;
    if (comm.is_root()) {
        NeuralNetwork reference(initial);
        const auto start = std::chrono::steady_clock::now();
        reference.train(data.train, options.training);
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        std::printf("# reference  CPU, serial, double: %.2f s, test accuracy %.2f %%\n",
                    seconds.count(),
                    100 * reference.accuracy(data.test, options.training.pixel_scale));
        right = print_comparison(compare(trained, reference.parameters()),
                                 comparison_tolerance(options.training, data.train_images));
    }
    return comm.from_root(right) != 0;
}

/// `shared` receives the ranks' common memory, if there is any, and has to outlive the call.
int train_and_report(const Comm& comm, const Options& options,
                     std::unique_ptr<SharedParameters>& shared) {
    const auto start = std::chrono::steady_clock::now();
    const Data data = read_data(comm, options);
    const std::chrono::duration<double> read_seconds = std::chrono::steady_clock::now() - start;
    const Layout layout = network_layout(options, data);
    const int capacity = slice_capacity(comm, options, data);
    comm.together([&] { check_sizes(layout, options, data); });

    ChosenDevice device =
        choose_device(comm, options, {layout, capacity, options.training.pixel_scale},
                      largest_slice(comm, options, data), shared);
    std::optional<CsvFile> csv;
    comm.together([&] { csv.emplace(comm.is_root() ? options.csv : ""); });
    RunFacts facts{.mpi_version = Comm::library_version(),
                   .cuda = device.cuda,
                   .shared_memory = shared != nullptr,
                   .rank_devices = comm.gather(host_name() + ": " + device.replica->device_name()),
                   .layout = layout,
                   .train_images = data.train_images,
                   .held_out_images = data.held_out_images,
                   .test_images = data.test_images,
                   .rows = data.train.rows,
                   .cols = data.train.cols};
    if (comm.is_root()) print_banner(options, facts);

    const auto initial =
        initial_parameters<nn_real>(layout, options.training.seed, options.init_scale);
    DataParallelNeuralNetwork network(comm, std::move(device.replica), initial, capacity,
                                      shared.get());
    const bool holds_out = data.held_out_images > 0;
    Progress progress(comm, network, holds_out ? data.held_out : data.test,
                      holds_out ? "held-out" : "test", data.train_images, options.training, *csv);
    network.train(data.train, options.training, &progress);

    const Evaluation test = network.evaluate(data.test);
    if (!std::isfinite(test.loss))
        throw Diverged(
            "training diverged in its last step: the test loss is not finite; use a "
            "smaller learning rate (-l)");
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const bool agree = network.ranks_agree();
    const Parameters<nn_real> trained = network.parameters();
    if (comm.is_root()) {
        TimeSplit times = network.times();
        times.data += read_seconds.count();
        print_footer(test, data.test_images, times, seconds.count(), options.training.scatter_once,
                     network.scattered_once());
        std::printf("# ranks agree: %s\n", !agree   ? "no"
                                           : shared ? "they share one copy"
                                                    : "all hold the same bits");
        if (!agree) std::printf("CHECK FAILED: the ranks' parameters differ\n");
    }
    const bool right =
        !options.compare || compare_with_reference(comm, options, data, initial, trained);
    return agree && right ? exit_ok : exit_check_failed;
}

/// A message in one line, whatever the user's words in it hold.
std::string one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    return text;
}

int run(const Comm& comm, int argc, char** argv, std::unique_ptr<SharedParameters>& shared) {
    std::optional<Options> options;
    comm.together([&] { options = parse_options(argc, argv, comm.is_root()); });
    if (!options) return exit_ok;
    if (options->grade == 4) {
        const bool right = !comm.is_root() || grade_gemm();
        return comm.from_root(right) != 0 ? exit_ok : exit_check_failed;
    }
    return train_and_report(comm, *options, shared);
}

/// What main() does once MPI runs; returns the exit code.
int run_with_mpi(const Session& mpi, int argc, char** argv) {
    // To free it takes all ranks. So it lives here: what one rank alone throws ends all of them
    // before, and what ends run() otherwise, ends it on every rank.
    std::unique_ptr<SharedParameters> shared;
    try {
        const int code = run(mpi.comm(), argc, argv, shared);
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
            throw Failure(__FILE__, __LINE__, "writing to standard output", std::strerror(errno),
                          "send the output where there is room");
        return code;
    } catch (const InputErrorElsewhere&) {
        return exit_bad_input;
    } catch (const InputError& error) {
        std::fprintf(stderr, "main: %s\n", one_line(error.what()).c_str());
        return exit_bad_input;
    } catch (const Diverged& error) {
        if (mpi.comm().is_root()) std::fprintf(stderr, "main: %s\n", error.what());
        return exit_check_failed;
    } catch (const std::bad_alloc&) {
        mpi.abort_all("out of memory; use a smaller network (-n) or batch (-b)", exit_failure);
    } catch (const std::exception& error) {
        mpi.abort_all(error.what(), exit_failure);
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const Session mpi(argc, argv);
        return run_with_mpi(mpi, argc, argv);
    } catch (const std::exception& error) {  // MPI itself did not start
        std::fprintf(stderr, "main: %s\n", error.what());
        return exit_failure;
    }
}
