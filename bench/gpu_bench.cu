// gpu_bench.cu: what the GPU path is worth, on device 0, in the type that it is built with.
//
//     gpu_bench [--trial] [--rivals] [--csv FILE] [--repetitions N]
//
// It measures (a) a whole step against a step made of cuBLAS, and each kernel of a step, (b) an
// epoch of ./main's replica, (c) both products of training against cuBLAS, (d) the ladders, and (e)
// every plan of a gradient, each at all shapes before the next: a run that is stopped early lost
// what matters least. The method is gpu_contest.h's; bench/gpu_report.py says what the numbers
// mean. Each line of the CSV is a half of a measurement, so each contender has two. --rivals
// measures only steps and products against the libraries, of ours what the program takes, in less
// than a minute. --trial tries it all at tiny shapes: its times mean nothing, its checks do.
// Exit code: 0; 1 where a result was wrong; 2 where there is no GPU; 3 where a call failed.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <string>
#include <string_view>

#include "device/gpu/first_layer.h"
#include "device/replica.h"
#include "gpu_bench.h"
#include "gpu_ways.h"
#include "model/initial.h"

namespace {

// ------------------------------------------------------------------ what is asked for

struct Settings {
    bool trial = false;
    bool rivals = false;
    std::string csv;        ///< empty: standard output
    int repetitions = 200;  ///< of what each contender does
};

Settings parse(int argc, char** argv) {
    Settings settings;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--trial")
            settings.trial = true;
        else if (word == "--rivals")
            settings.rivals = true;
        else if (word == "--csv" && i + 1 < argc)
            settings.csv = argv[++i];
        else if (word == "--repetitions" && i + 1 < argc && std::atoi(argv[i + 1]) > 0)
            settings.repetitions = std::atoi(argv[++i]);
        else
            throw InputError("gpu_bench: '" + std::string(word) +
                             "' is not understood; usage: gpu_bench [--trial] [--rivals] [--csv "
                             "FILE] [--repetitions N]");
    }
    return settings;
}

// ------------------------------------------------------------------ (a) steps

/// Three steps from the same start, against the same by the plainest kernels.
template <class Step>
double whole_error(Step& step, const std::vector<nn_real>& start, LibraryStep& plain, int batches) {
    step.set_parameters(start);
    plain.set_parameters(start);
    for (int s = 0; s < 3; ++s) {
        step.all(s % batches);
        plain.all(s % batches);
    }
    return path_error(step.parameters(), plain.parameters(), start);
}

/// A whole step as a contender.
template <class Step>
Contender whole(Step& step, std::string name, const std::vector<nn_real>& start, LibraryStep& plain,
                int batches, double flops) {
    return {.what = "step",
            .name = std::move(name),
            .flops = flops,
            .run = [&step](int batch) { step.all(batch); },
            .poison = [] {},
            .error = [&, batches](int) { return whole_error(step, start, plain, batches); }};
}

/// Each kernel of a step alone, on what the others left. step_error: of a whole step.
void add_kernels(std::vector<Contender>& contenders, OurStep& step, const std::string& name,
                 const std::function<double(int)>& step_error) {
    const auto add = [&](const char* kernel, auto run, auto poison, auto error) {
        contenders.push_back({.what = "kernel",
                              .name = name + " " + kernel,
                              .flops = 0,
                              .run = run,
                              .poison = poison,
                              .error = error});
    };
    add(
        "layer", [&](int batch) { step.layer(batch); }, [&] { step.poison_layer(); },
        [&](int batch) { return step.layer_error(batch); });
    add(
        "head", [&](int batch) { step.head(batch); }, [&] { step.poison_head(); },
        [&](int batch) { return step.head_error(batch); });
    add(
        "descent", [&](int batch) { step.descent_on_the_spot(batch); }, [] {}, step_error);
    add(
        "gradient", [&](int batch) { step.gradient(batch); }, [&] { step.poison_gradient(); },
        [&](int batch) { return step.gradient_error(batch); });
    add(
        "step", [&](int) { step.step_on_the_spot(); }, [] {},
        [&](int) { return step.step_error(); });
}

/// The library's step by each way of cuBLAS and of cublasLt.
struct LibrarySteps {
    LibrarySteps(Bench& bench, Shape shape, const std::vector<nn_real>& start) {
        const Gpu& gpu = bench.gpu;
        const auto add = [&](std::string name, CublasBy by, Product product) {
            names.push_back("library " + std::move(name));
            ways.push_back(by);
            steps.emplace_back(gpu, std::move(product), shape, bench.images);
        };
        const auto by_cublas = [&](CublasBy by) -> Product {
            return [this, &bench, by](Ones, int m, int n, int k, CublasMatrix a, CublasMatrix b,
                                      nn_real* c, int c_stride) {
                can = bench.cublas.gemm(by, m, n, k, 1, a, b, 0, c, c_stride) && can;
            };
        };
        const auto answer = [&](CublasBy by) {
            LibraryStep step(gpu, by_cublas(by), shape, bench.images);
            step.set_parameters(start);
            can = true;
            step.all(0);
            return can ? step.parameters() : std::vector<nn_real>{};
        };
        if (bench.cublas.missing().empty())
            for (const CublasBy by : ways_of_their_own(cublas_ways, answer))
                add(name_of(by), by, by_cublas(by));
        for (const CublasBy by : lt_ways(bench)) {
            LtProducts& lt = lts.emplace_back(gpu, bench.lt, by);
            add(lt_name(by), by,
                [&lt](Ones ones, int m, int n, int k, CublasMatrix a, CublasMatrix b, nn_real* c,
                      int c_stride) { lt.product(ones, m, n, k, a, b, c, c_stride); });
            steps.back().set_parameters(start);
            steps.back().all(0);  // now its algorithms are chosen
            note_lt(bench, shape, "step", lt, by);
            if (lt.can()) continue;
            names.pop_back();
            ways.pop_back();
            steps.pop_back();
        }
    }
    LibrarySteps(const LibrarySteps&) = delete;
    LibrarySteps& operator=(const LibrarySteps&) = delete;

    bool can = true;  ///< cuBLAS could do all products since this was set
    std::vector<std::string> names;
    std::vector<CublasBy> ways;
    std::deque<LibraryStep> steps;
    std::deque<LtProducts> lts;
};

void measure_steps(Bench& bench, Shape shape) {
    const Gpu& gpu = bench.gpu;
    const Images& images = bench.images;
    const int batches = images.batches(shape.batch);
    const Layout layout({images.pixels(), shape.hidden, images.classes()});
    const std::vector<nn_real> start = initial_parameters<nn_real>(layout, 21, 0).values;
    const double flops =
        2.0 * shape.batch * shape.hidden * (2.0 * images.pixels() + 3.0 * images.classes());
    LibraryStep plain(gpu, plain_product(gpu), shape, images);

    const bool gains = gpu_has_bf16x3(gpu.chip) &&
                       gpu_gains_by_bf16x3(gpu.chip.multiprocessors, gpu.chip.capability,
                                           shape.hidden, images.pixels(), shape.batch);
    const GemmBy taken = gains ? GemmBy::bf16x3 : GemmBy::fma;
    std::vector<OurStep> ours;
    const std::vector<GemmBy> by = ways_of_steps(gpu);
    ours.reserve(by.size());
    for (const GemmBy way : by) ours.emplace_back(gpu, way, shape, images);
    LibrarySteps library(bench, shape, start);
    std::vector<Contender> contenders;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        const char* name = name_of(by[i]);
        contenders.push_back(whole(ours[i], name, start, plain, batches, flops));
        contenders.back().chosen = by[i] == taken;
        const auto error = contenders.back().error;
        if (!bench.rivals_only) add_kernels(contenders, ours[i], name, error);
    }
    for (std::size_t i = 0; i < library.steps.size(); ++i) {
        contenders.push_back(
            whole(library.steps[i], library.names[i], start, plain, batches, flops));
        contenders.back().judged = library.ways[i] == CublasBy::plain;
    }
    bench.run(shape, contenders, batches);
}

// ------------------------------------------------------------------ all of it

/// By which plans steps and kernels are measured; bench/gpu_fit_table.cpp reads them.
void note_plans(Csv& csv, const Gpu& gpu, Shape shape, int pixels) {
    const std::string at =
        " at (" + std::to_string(shape.hidden) + "," + std::to_string(shape.batch) + ")";
    const auto note = [&](GemmBy by, const char* product, int n, int k, Split split) {
        const GemmPlan plan = plan_gemm(gpu.chip, by, shape.hidden, n, k, split);
        csv.note("plan of " + std::string(name_of(by)) + " " + product + at,
                 std::string(name_of(plan.tile)) + " / " + std::to_string(plan.splits));
    };
    for (const GemmBy by : ways(gpu)) {
        note(by, "layer", shape.batch, pixels, Split::joined);
        note(by, "gradient", pixels + 1, shape.batch, Split::left);
        note(by, "descent", pixels + 1, shape.batch, Split::joined);
    }
}

int run(const Settings& settings) {
    const CudaDevices devices = find_cuda_devices();
    if (devices.usable.empty())
        throw InputError("gpu_bench: there is no GPU (" + devices.why_none +
                         "); run it where nvidia-smi lists one, or try it by make bench-gpu-trial");
    const int device = devices.usable.front().number;
    GPU_CHECK(cudaSetDevice(device));
    const GpuStream stream;
    const Gpu gpu{stream.get(), gpu_chip(device)};
    Cublas cublas(gpu.stream);
    CublasLt lt(gpu.stream);
    Csv csv(settings.csv);
    cudaDeviceProp properties;
    GPU_CHECK(cudaGetDeviceProperties(&properties, device));
    csv.note("device", properties.name);
    csv.note("capability", std::to_string(gpu.chip.capability));
    csv.note("multiprocessors", std::to_string(gpu.chip.multiprocessors));
    csv.note("cublas", cublas.missing().empty() ? "found" : cublas.missing());
    csv.note("cublasLt", lt.missing().empty() ? CublasLt::found() : lt.missing());
    const int pixels = settings.trial ? 36 : 784, images_count = settings.trial ? 50 : 60000;
    csv.note("images", std::to_string(images_count));
    csv.note("pixels", std::to_string(pixels));
    csv.note("trial", settings.trial ? "yes" : "no");

    const std::vector<Shape> shapes =
        settings.trial
            ? std::vector<Shape>{{5, 6}, {20, 24}}
            : std::vector<Shape>{{200, 24}, {100, 800}, {512, 256}, {1024, 1024}, {4096, 8192}};
    for (const Shape shape : shapes) note_plans(csv, gpu, shape, pixels);
    csv.heading();
    const Effort effort = settings.trial ? Effort{.repetitions = 2, .chain = 2}
                                         : Effort{.repetitions = settings.repetitions};
    const Images images(pixels, images_count, 10, gpu.stream);
    Bench bench{gpu, cublas, lt, images, effort, csv, settings.rivals};
    struct Part {
        const char* name;
        void (*measure)(Bench&, Shape);
        bool of_rivals;
        bool of_every_shape = true;
    };
    constexpr Part parts[] = {{"a step and its kernels", measure_steps, true},
                              {"an epoch", measure_epoch, false},
                              {"products of a layer", measure_layer, true},
                              {"every plan of a descent", measure_plans, false},
                              {"products of a gradient", measure_gradient, true},
                              {"the ladder of steps", measure_step_ladder, false, false},
                              {"the ladders of products", measure_ladders, false}};
    for (const Part& part : parts)
        for (const Shape& shape : shapes) {
            if (settings.rivals && !part.of_rivals) continue;
            if (!part.of_every_shape && &shape != shapes.data()) continue;
            bench.say(shape, part.name);
            part.measure(bench, shape);
        }
    return bench.right ? exit_ok : exit_check_failed;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(parse(argc, argv));
    } catch (const InputError& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return exit_bad_input;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "gpu_bench: %s\n", e.what());
        return exit_failure;
    }
}
