// gpu_bench.cu: what the GPU path is worth, on device 0, in the type that it is built with.
//
//     gpu_bench [--trial] [--csv FILE]
//
// It measures (a) both products of training in every plan against cuBLAS, (b) a whole step against
// a step made of cuBLAS, (c) an epoch of ./main's replica, (d) each kernel of a step, and (e) the
// ladder, at four shapes, by the method of gpu_contest.h; bench/gpu_report.py says what the numbers
// mean. Each line of the CSV is a measurement. --trial tries it all at tiny shapes: its times mean
// nothing, its checks do. The plan for an H100, both types: 50 candidates of up to 2 ms, 200 times
// each, at four shapes: two minutes; all the rest: one; PyTorch beside it: one. That is half of the
// eight minutes that the whole may take.
// Exit code: 0; 1 where a result was wrong; 2 where there is no GPU; 3 where a call failed.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <numeric>
#include <string>
#include <string_view>

#include "device/gpu/cublas.h"
#include "device/replica.h"
#include "gpu_contest.h"
#include "gpu_ladder.h"
#include "gpu_problem.h"
#include "gpu_steps.h"
#include "gpu_traffic.h"

namespace {

constexpr bool in_double = std::is_same_v<nn_real, double>;

// ------------------------------------------------------------------ what is asked for

struct Settings {
    bool trial = false;
    std::string csv;  ///< empty: standard output
};

Settings parse(int argc, char** argv) {
    Settings settings;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--trial")
            settings.trial = true;
        else if (word == "--csv" && i + 1 < argc)
            settings.csv = argv[++i];
        else
            throw InputError("gpu_bench: '" + std::string(word) +
                             "' is not understood; usage: gpu_bench [--trial] [--csv FILE]");
    }
    return settings;
}

/// The measurements' table, line by line as they come.
class Csv {
  public:
    explicit Csv(const std::string& path)
        : file_(path.empty() ? stdout : std::fopen(path.c_str(), "w")) {
        if (file_ == nullptr)
            throw InputError("gpu_bench: cannot write " + path + "; name another file by --csv");
    }
    ~Csv() {
        if (file_ != stdout) std::fclose(file_);
    }
    Csv(const Csv&) = delete;
    Csv& operator=(const Csv&) = delete;

    void note(const std::string& key, const std::string& value) {
        std::fprintf(file_, "# %s: %s\n", key.c_str(), value.c_str());
    }
    void heading() {
        std::fprintf(file_,
                     "type,hidden,batch,what,contender,chosen,judged,median_us,q1_us,q3_us,"
                     "repetitions,chain,tflops,error,bytes\n");
    }
    void row(Shape shape, const Measured& m, std::size_t bytes = 0) {
        std::fprintf(file_, "%s,%d,%d,%s,%s,%d,%d,%.3f,%.3f,%.3f,%d,%d,%.3f,%.4g,%zu\n",
                     nn_real_name, shape.hidden, shape.batch, m.what.c_str(), m.name.c_str(),
                     m.chosen, m.judged, m.median * 1e6, m.q1 * 1e6, m.q3 * 1e6, m.repetitions,
                     m.chain, m.tflops, m.error, bytes);
        std::fflush(file_);
    }

  private:
    std::FILE* file_;
};

/// What every part of the benchmark works with.
struct Bench {
    Gpu gpu;
    Cublas& cublas;
    const Images& images;
    Effort effort;
    Csv& csv;
    bool right = true;
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

    void run(Shape shape, const std::vector<Contender>& contenders, int batches) {
        for (const Measured& m : contest(gpu, contenders, batches, effort)) {
            csv.row(shape, m);
            if (m.right()) continue;
            right = false;
            std::fprintf(stderr,
                         "WRONG  %s (%d,%d) %s, %s: an element is %.3g bounds off; the kernel or "
                         "its plan is at fault\n",
                         nn_real_name, shape.hidden, shape.batch, m.what.c_str(), m.name.c_str(),
                         m.error);
        }
    }
    void say(Shape shape, const char* what) const {
        const std::chrono::duration<double> since = std::chrono::steady_clock::now() - start;
        std::fprintf(stderr, "%6.1f s  %s  (%d,%d)  %s\n", since.count(), nn_real_name,
                     shape.hidden, shape.batch, what);
    }
};

// ------------------------------------------------------------------ names

const char* name_of(GemmBy by) {
    return by == GemmBy::bf16x3 ? "bf16x3" : in_double ? "fp64" : "fp32";
}
const char* name_of(GemmTile tile) {
    return tile == GemmTile::large ? "large" : tile == GemmTile::medium ? "medium" : "small";
}
std::string name_of(CublasBy by) {
    return by == CublasBy::tf32 ? "tf32" : by == CublasBy::bf16x9 ? "bf16x9" : name_of(GemmBy::fma);
}
constexpr GemmTile tiles[] = {GemmTile::large, GemmTile::medium, GemmTile::small};

std::vector<GemmBy> ways(const Gpu& gpu) {
    return gpu_has_bf16x3(gpu.chip) ? std::vector{GemmBy::fma, GemmBy::bf16x3}
                                    : std::vector{GemmBy::fma};
}

std::size_t area(int rows, int cols) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
}
double flops_of(int m, int n, int k) { return 2.0 * m * n * k; }

// ------------------------------------------------------------------ (a) products

/// The ways in which this cuBLAS can multiply here: found out by trying.
std::vector<CublasBy> cublas_ways(Bench& bench) {
    std::vector<CublasBy> found;
    if (!bench.cublas.missing().empty()) return found;
    const DeviceArray<nn_real> zeros(std::vector<nn_real>(64 * 64), bench.gpu.stream);
    DeviceArray<nn_real> out(64 * 64);
    for (const CublasBy by : {CublasBy::plain, CublasBy::tf32, CublasBy::bf16x9})
        if (bench.cublas.gemm(by, 64, 64, 64, 1, {zeros.data(), 64}, {zeros.data(), 64}, 0,
                              out.data(), 64))
            found.push_back(by);
    GPU_CHECK(cudaStreamSynchronize(bench.gpu.stream));
    return found;
}

/// A_1 = sigmoid(W X + b) in every tile; and the product alone, of numbers and not of bytes, by our
/// GEMM and by cuBLAS.
void measure_layer(Bench& bench, Shape shape) {
    const Gpu& gpu = bench.gpu;
    const Images& images = bench.images;
    const int m = shape.hidden, n = shape.batch, k = images.pixels();
    const auto w_values = normal_numbers(area(m, k), 1 / std::sqrt(k), 11);
    const auto b_values = normal_numbers(area(m, 1), 1, 12);
    const DeviceArray<nn_real> w(w_values, gpu.stream), b(b_values, gpu.stream);
    DeviceArray<nn_real> out(area(m, n));
    const auto poison = [&] { out.fill_bytes(0xff, gpu.stream); };
    const auto error_against = [&](const nn_real* bias) {
        return [&, bias](int batch) {
            return layer_error({m, k, bias, HostMatrix{w_values, m}, images.host_bytes(batch, n)},
                               out.download(gpu.stream), n);
        };
    };
    std::vector<Contender> contenders;
    for (const GemmBy by : ways(gpu))
        for (const GemmTile tile : tiles) {
            const GemmPlan plan{tile, 1};
            contenders.push_back({.what = "layer",
                                  .name = std::string(name_of(by)) + " " + name_of(tile),
                                  .flops = flops_of(m, n, k),
                                  .run =
                                      [&, by, plan](int batch) {
                                          gpu_layer(gpu, by, m, n, k, w.data(),
                                                    input_of(images.bytes(batch, n), Images::scale),
                                                    b.data(), out.data(), plan);
                                      },
                                  .poison = poison,
                                  .error = error_against(b_values.data()),
                                  .chosen = plan_gemm(gpu.chip, by, m, n, k, false) == plan});
        }
    contenders.push_back({.what = "layer",
                          .name = std::string(name_of(GemmBy::fma)) + " product alone",
                          .flops = flops_of(m, n, k),
                          .run =
                              [&](int batch) {
                                  gpu_gemm(gpu, Transposed::no, Transposed::no, m, n, k, 1,
                                           w.data(), images.packed(batch, n), 0, out.data());
                              },
                          .poison = poison,
                          .error = error_against(nullptr)});
    for (const CublasBy by : cublas_ways(bench))
        contenders.push_back({.what = "layer",
                              .name = "cublas " + name_of(by),
                              .flops = flops_of(m, n, k),
                              .run =
                                  [&, by](int batch) {
                                      bench.cublas.gemm(by, m, n, k, 1, {w.data(), m},
                                                        {images.packed(batch, n), k}, 0, out.data(),
                                                        m);
                                  },
                              .poison = poison,
                              .error = error_against(nullptr),
                              .judged = by == CublasBy::plain});
    bench.run(shape, contenders, images.batches(n));
}

/// What the gradients [dW|db] = delta [X; 1]^T are computed from and into.
struct GradientArrays {
    GradientArrays(const Bench& bench, Shape shape)
        : gpu(bench.gpu),
          images(bench.images),
          m(shape.hidden),
          n(shape.batch),
          d(bench.images.pixels()),
          stride(area(m, d + 1)),
          delta_values(normal_numbers(area(m, n), 1.0 / n, 13)),
          delta(delta_values, gpu.stream),
          parts(stride * most_splits),
          sum(stride),
          p(normal_numbers(stride, 1 / std::sqrt(d), 14), gpu.stream),
          no_rate(std::vector{nn_real{0}}, gpu.stream) {}

    void gradient(GemmBy by, GemmPlan plan, int batch) {
        gpu_gradient(gpu, by, m, n, d, delta.data(),
                     input_of(images.bytes(batch, n), Images::scale), 0, d + 1, parts.data(),
                     stride, plan);
    }
    Parts run(GemmPlan plan) const {
        return {0, stride, area(m, d), parts.data(), stride, plan.splits};
    }
    void poison() {
        parts.fill_bytes(0xff, gpu.stream);
        sum.fill_bytes(0xff, gpu.stream);
    }
    double error(int batch, const DeviceArray<nn_real>& out, int columns, int splits) const {
        return gradient_error(HostMatrix{delta_values, m}, images.host_bytes(batch, n), n, d,
                              columns, out.download(gpu.stream), splits);
    }

    Gpu gpu;
    const Images& images;
    int m, n, d;
    std::size_t stride;
    std::vector<nn_real> delta_values;
    DeviceArray<nn_real> delta, parts, sum, p, no_rate;
};

/// The gradient by the planner's plan, complete, as cuBLAS leaves it; and with its parts left to
/// whoever needs the sum, as in training.
void measure_gradient(Bench& bench, Shape shape) {
    GradientArrays g(bench, shape);
    const double flops = flops_of(g.m, g.d, g.n);
    const auto poison = [&] { g.poison(); };
    std::vector<Contender> contenders;
    for (const GemmBy by : ways(g.gpu)) {
        const GemmPlan plan = plan_gemm(g.gpu.chip, by, g.m, g.d + 1, g.n, true);
        contenders.push_back(
            {.what = "gradient",
             .name = std::string(name_of(by)) + " parts",
             .flops = flops,
             .run = [&, by, plan](int batch) { g.gradient(by, plan, batch); },
             .poison = poison,
             .error = [&,
                       plan](int batch) { return g.error(batch, g.parts, g.d + 1, plan.splits); }});
        contenders.push_back(
            {.what = "gradient",
             .name = name_of(by),
             .flops = flops,
             .run =
                 [&, by, plan](int batch) {
                     g.gradient(by, plan, batch);
                     if (plan.splits > 1)
                         gpu_add_parts(g.gpu, std::vector{g.run(plan)}, g.sum.data());
                 },
             .poison = poison,
             .error =
                 [&, plan](int batch) {
                     return g.error(batch, plan.splits > 1 ? g.sum : g.parts, g.d + 1, 1);
                 },
             .chosen = true});
    }
    contenders.push_back({.what = "gradient",
                          .name = std::string(name_of(GemmBy::fma)) + " product alone",
                          .flops = flops,
                          .run =
                              [&](int batch) {
                                  gpu_gemm(g.gpu, Transposed::no, Transposed::yes, g.m, g.d, g.n, 1,
                                           g.delta.data(), g.images.packed(batch, g.n), 0,
                                           g.sum.data());
                              },
                          .poison = poison,
                          .error = [&](int batch) { return g.error(batch, g.sum, g.d, 1); }});
    for (const CublasBy by : cublas_ways(bench))
        contenders.push_back({.what = "gradient",
                              .name = "cublas " + name_of(by),
                              .flops = flops,
                              .run =
                                  [&, by](int batch) {
                                      bench.cublas.gemm(
                                          by, g.m, g.d, g.n, 1, {g.delta.data(), g.m},
                                          {g.images.packed(batch, g.n), g.d, Transposed::yes}, 0,
                                          g.sum.data(), g.m);
                                  },
                              .poison = poison,
                              .error = [&](int batch) { return g.error(batch, g.sum, g.d, 1); },
                              .judged = by == CublasBy::plain});
    bench.run(shape, contenders, g.images.batches(g.n));
}

/// Every plan of the gradient with the step that adds up its parts, for a plan's price is paid in
/// both: what the planner should have chosen.
void measure_plans(Bench& bench, Shape shape) {
    GradientArrays g(bench, shape);
    std::vector<Contender> contenders;
    for (const GemmBy by : ways(g.gpu))
        for (const GemmTile tile : tiles)
            for (int splits = 1; splits <= most_splits; ++splits) {
                const GemmPlan plan{tile, splits};
                contenders.push_back(
                    {.what = "gradient and step",
                     .name = std::string(name_of(by)) + " " + name_of(tile) + " / " +
                             std::to_string(splits),
                     .flops = 0,
                     .run =
                         [&, by, plan](int batch) {
                             g.gradient(by, plan, batch);
                             gpu_update(g.gpu, std::vector{g.run(plan)}, Sgd{}, g.no_rate.data(),
                                        step_reg, g.p.data());
                         },
                     .poison = [&] { g.poison(); },
                     .error = [&, splits](
                                  int batch) { return g.error(batch, g.parts, g.d + 1, splits); },
                     .chosen = plan_gemm(g.gpu.chip, by, g.m, g.d + 1, g.n, true) == plan});
            }
    bench.run(shape, contenders, g.images.batches(g.n));
}

// ------------------------------------------------------------------ (b) and (d) steps

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

/// Each kernel of a step alone, on what the others left.
void add_kernels(std::vector<Contender>& contenders, OurStep& step, const std::string& name) {
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
        "gradient", [&](int batch) { step.gradient(batch); }, [&] { step.poison_gradient(); },
        [&](int batch) { return step.gradient_error(batch); });
    add(
        "step", [&](int) { step.step_on_the_spot(); }, [] {},
        [&](int) { return step.step_error(); });
}

void measure_steps(Bench& bench, Shape shape) {
    const Gpu& gpu = bench.gpu;
    const Images& images = bench.images;
    const int batches = images.batches(shape.batch);
    const Layout layout({images.pixels(), shape.hidden, images.classes()});
    const std::vector<nn_real> start = initial_parameters<nn_real>(layout, 21, 0).values;
    const double flops =
        2.0 * shape.batch * shape.hidden * (2.0 * images.pixels() + 3.0 * images.classes());
    LibraryStep plain(gpu, plain_product(gpu), shape, images);

    std::vector<OurStep> ours;
    ours.reserve(2);
    for (const GemmBy by : ways(gpu)) ours.emplace_back(gpu, by, shape, images);
    std::vector<LibraryStep> library;
    library.reserve(3);
    std::vector<Contender> contenders;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        const char* name = name_of(ways(gpu)[i]);
        contenders.push_back(whole(ours[i], name, start, plain, batches, flops));
        contenders.back().chosen = i + 1 == ours.size();
        add_kernels(contenders, ours[i], name);
    }
    for (const CublasBy by : cublas_ways(bench)) {
        library.emplace_back(
            gpu,
            [&bench, by](int m, int n, int k, CublasMatrix a, CublasMatrix b, nn_real* c,
                         int c_stride) { bench.cublas.gemm(by, m, n, k, 1, a, b, 0, c, c_stride); },
            shape, images);
        contenders.push_back(
            whole(library.back(), "library " + name_of(by), start, plain, batches, flops));
        contenders.back().judged = by == CublasBy::plain;
    }
    bench.run(shape, contenders, batches);
}

// ------------------------------------------------------------------ (c) epochs

/// Every mini-batch over the replica's set, as the trainer does it.
void train_epoch(Replica& replica, int count, int batch) {
    const Update update{step_rate, step_reg};
    if (replica.run({static_cast<std::size_t>(count), batch, update})) return;
    for (int first = 0; first < count; first += batch) {
        const int n = std::min(batch, count - first);
        replica.samples().select(Role::train, static_cast<std::size_t>(first), n);
        replica.forward(nn_real{1} / static_cast<nn_real>(n), Want::gradient);
        replica.backward_and_update(update);
    }
}

/// By the host's clock, for an epoch is more than kernels: until the losses are known.
void measure_epoch(Bench& bench, Shape shape) {
    const Images& images = bench.images;
    const int count = images.count();
    const bool bf16x3 = gpu_has_bf16x3(bench.gpu.chip);
    const Layout layout({images.pixels(), shape.hidden, images.classes()});
    const auto replica =
        make_cuda_replica({layout, shape.batch, Images::scale}, {.device = 0, .bf16x3 = bf16x3});
    replica->write(initial_parameters<nn_real>(layout, 21, 0).values);

    const std::size_t before = uploaded_bytes();
    const auto bytes = area(images.pixels(), count), labels = area(1, count);
    if (!replica->samples().keep(
            Role::train, {{images.host_bytes(0, 1), bytes}, {images.host_labels(0, 1), labels}}))
        throw InputError("gpu_bench: the device has no room for the images; free its memory");
    std::vector<std::uint32_t> order(labels);
    std::iota(order.begin(), order.end(), 0u);
    Rng rng(31);
    std::vector<double> seconds;
    double loss = 0;
    std::size_t uploaded = 0;
    for (int e = 0; e <= (bench.effort.repetitions > 1 ? 10 : 1); ++e) {
        shuffle(order, rng);
        const auto start = std::chrono::steady_clock::now();
        replica->samples().set_order(order);
        train_epoch(*replica, count, shape.batch);
        loss = replica->take_loss() / count;
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        if (e == 0)  // warms up, and records its graphs
            uploaded = uploaded_bytes() - before;
        else
            seconds.push_back(time.count());
    }
    std::ranges::sort(seconds);
    const std::size_t n = seconds.size();
    // Random labels: the mean loss starts near log(classes), and an average guess costs no more
    // than a few times that. Anything else, NaN too, is no training.
    const double error = loss / (3 * std::log(images.classes()));
    const Measured m{"epoch",
                     name_of(bf16x3 ? GemmBy::bf16x3 : GemmBy::fma),
                     seconds[n / 2],
                     seconds[n / 4],
                     seconds[n * 3 / 4],
                     static_cast<int>(n),
                     1,
                     0,
                     error,
                     true,
                     true};
    bench.csv.row(shape, m, uploaded);
    if (!m.right()) {
        bench.right = false;
        std::fprintf(stderr, "WRONG  %s (%d,%d) epoch: the mean loss is %g; training diverges\n",
                     nn_real_name, shape.hidden, shape.batch, loss);
    }
}

// ------------------------------------------------------------------ (e) the ladder

void measure_ladder(Bench& bench, Shape shape) {
    const Gpu& gpu = bench.gpu;
    const Images& images = bench.images;
    const int m = shape.hidden, n = shape.batch, k = images.pixels();
    const auto a_values = normal_numbers(area(m, k), 1 / std::sqrt(k), 41);
    const std::vector<nn_real> zeros(area(m, 1));
    const DeviceArray<nn_real> a(a_values, gpu.stream), no_bias(zeros, gpu.stream);
    DeviceArray<nn_real> c(area(m, n));
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
    for (const auto& [name, tile] :
         {std::pair{"pipelined", GemmTile::large}, std::pair{"split along k", GemmTile::small}})
        add(name, nullptr, [&, tile](int batch) {
            gpu_gemm(gpu, Transposed::no, Transposed::no, m, n, k, 1, a.data(),
                     images.packed(batch, n), 0, c.data(), {tile, 1});
        });
    if (gpu_has_bf16x3(gpu.chip))
        add("bf16x3", zeros.data(), [&](int batch) {
            gpu_layer(gpu, GemmBy::bf16x3, m, n, k, a.data(),
                      input_of(images.bytes(batch, n), Images::scale), no_bias.data(), c.data(),
                      plan_gemm(gpu.chip, GemmBy::bf16x3, m, n, k, false));
        });
    bench.run(shape, contenders, images.batches(n));
}

// ------------------------------------------------------------------ all of it

int run(const Settings& settings) {
    if (const CudaDevices devices = find_cuda_devices(); devices.count == 0)
        throw InputError("gpu_bench: there is no GPU (" + devices.why_none +
                         "); run it where nvidia-smi lists one, or try it by make bench-gpu-trial");
    const GpuStream stream;
    const Gpu gpu{stream.get(), gpu_chip(0)};
    Cublas cublas(gpu.stream);
    Csv csv(settings.csv);
    cudaDeviceProp properties;
    GPU_CHECK(cudaGetDeviceProperties(&properties, 0));
    csv.note("device", properties.name);
    csv.note("capability", std::to_string(gpu.chip.capability));
    csv.note("multiprocessors", std::to_string(gpu.chip.multiprocessors));
    csv.note("cublas", cublas.missing().empty() ? "found" : cublas.missing());
    const int pixels = settings.trial ? 36 : 784, images_count = settings.trial ? 50 : 60000;
    csv.note("images", std::to_string(images_count));
    csv.note("pixels", std::to_string(pixels));
    csv.note("trial", settings.trial ? "yes" : "no");
    csv.heading();

    const std::vector<Shape> shapes =
        settings.trial ? std::vector<Shape>{{5, 6}, {20, 24}}
                       : std::vector<Shape>{{100, 800}, {512, 256}, {1024, 1024}, {4096, 8192}};
    const Effort effort = settings.trial ? Effort{.repetitions = 1, .chain = 2} : Effort{};
    const Images images(pixels, images_count, 10, gpu.stream);
    Bench bench{gpu, cublas, images, effort, csv};
    for (const Shape shape : shapes) {
        bench.say(shape, "products of a layer");
        measure_layer(bench, shape);
        bench.say(shape, "products of a gradient");
        measure_gradient(bench, shape);
        bench.say(shape, "every plan of a gradient");
        measure_plans(bench, shape);
        bench.say(shape, "steps and their kernels");
        measure_steps(bench, shape);
        bench.say(shape, "epochs");
        measure_epoch(bench, shape);
        bench.say(shape, "ladder");
        measure_ladder(bench, shape);
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
