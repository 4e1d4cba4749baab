// gpu_bench_products.cu: both products of training in every plan against cuBLAS.
#include <cmath>
#include <deque>
#include <functional>
#include <utility>

#include "device/gpu/owned.h"
#include "gpu_bench.h"
#include "gpu_ways.h"

namespace {

/// What the gradients [dW|db] = delta [X; 1]^T are computed from and into.
struct GradientArrays {
    GradientArrays(const Bench& bench, Shape shape)
        : gpu(bench.gpu),
          images(bench.images),
          m(shape.hidden),
          n(shape.batch),
          d(bench.images.pixels()),
          stride(elements(m, d + 1)),
          delta_values(normal_numbers(elements(m, n), 1.0 / n, 13)),
          delta(delta_values, gpu.stream),
          parts(stride * most_splits),
          sum(stride),
          add_up(std::vector{UpdateNumbers{-1, 0}}, gpu.stream) {}

    void gradient(GemmBy by, GemmPlan plan, int batch) {
        gpu_gradient(gpu, by, m, n, d, delta.data(),
                     input_of(images.bytes(batch, n), Images::scale), 0, d + 1, parts.data(),
                     stride, plan);
    }
    Parts run(GemmPlan plan) const {
        return {0, stride, elements(m, d), parts.data(), stride, plan.splits};
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
    DeviceArray<nn_real> delta, parts, sum;
    DeviceArray<UpdateNumbers> add_up;  ///< a descent by them adds the gradient
};

}  // namespace

namespace {

/// A product as a contender of each library, by each of its ways.
struct LibraryProduct {
    const char* what;
    double flops;
    std::function<bool(CublasBy, int batch)> cublas;  ///< false: it cannot
    DeviceArray<nn_real>& out;                        ///< what that writes
    /// By products of cublasLt, with the bias.
    std::function<void(LtProducts&, int batch)> lt;
    std::function<void()> poison;
    std::function<double(int)> error, lt_error;
};

/// `lts` keeps what the contenders use.
void add_libraries(Bench& bench, Shape shape, const LibraryProduct& product,
                   std::vector<Contender>& contenders, std::deque<LtProducts>& lts) {
    const auto add = [&](std::string name, CublasBy by, std::function<void(int)> run,
                         const std::function<double(int)>& error) {
        contenders.push_back({.what = product.what,
                              .name = std::move(name),
                              .flops = product.flops,
                              .run = std::move(run),
                              .poison = product.poison,
                              .error = error,
                              .judged = by == CublasBy::plain});
    };
    const auto answer = [&](CublasBy by) {
        return product.cublas(by, 0) ? product.out.download(bench.gpu.stream)
                                     : std::vector<nn_real>{};
    };
    if (bench.cublas.missing().empty())
        for (const CublasBy by : ways_of_their_own(cublas_ways, answer))
            add(
                "cublas " + name_of(by), by, [=](int batch) { product.cublas(by, batch); },
                product.error);
    for (const CublasBy by : lt_ways(bench)) {
        LtProducts& lt = lts.emplace_back(bench.gpu, bench.lt, by);
        product.lt(lt, 0);
        note_lt(bench, shape, product.what, lt, by);
        if (lt.can())
            add(
                lt_name(by), by, [run = product.lt, &lt](int batch) { run(lt, batch); },
                product.lt_error);
    }
}

}  // namespace

void measure_layer(Bench& bench, Shape shape) {
    const Gpu& gpu = bench.gpu;
    const Images& images = bench.images;
    const int m = shape.hidden, n = shape.batch, k = images.pixels();
    auto w_values = normal_numbers(elements(m, k), 1 / std::sqrt(k), 11);  // and then the bias
    const auto b_values = normal_numbers(elements(m, 1), 1, 12);
    w_values.insert(w_values.end(), b_values.begin(), b_values.end());
    const DeviceArray<nn_real> w(w_values, gpu.stream);
    const nn_real* const b = w.data() + elements(m, k);
    DeviceArray<nn_real> out(elements(m, n));
    const auto poison = [&] { out.fill_bytes(0xff, gpu.stream); };
    const auto error_against = [&](const nn_real* bias, bool activated = true) {
        return [&, bias, activated](int batch) {
            return layer_error(
                {m, k, bias, HostMatrix{w_values, m}, images.host_bytes(batch, n), activated},
                out.download(gpu.stream), n);
        };
    };
    std::vector<Contender> contenders;
    std::deque<JointMemory> joints;
    const auto add = [&](GemmBy by, GemmPlan plan) {
        const JointSize size = joint_size(by, plan, m, n);
        joints.emplace_back(size, gpu.stream);
        contenders.push_back({.what = "layer",
                              .name = std::string(name_of(by)) + " " + name_of(plan.tile) + " / " +
                                      std::to_string(plan.splits),
                              .flops = flops_of(m, n, k),
                              .run =
                                  [&, by, plan, joint = joints.back().get()](int batch) {
                                      gpu_layer(gpu, by, m, n, k, w.data(),
                                                input_of(images.bytes(batch, n), Images::scale), b,
                                                out.data(), plan, {}, joint);
                                  },
                              .poison = poison,
                              .error = error_against(b_values.data()),
                              .chosen = plan_gemm(gpu.chip, by, m, n, k, Split::joined) == plan});
    };
    for (const GemmBy by : ways(gpu)) {
        const GemmPlan chosen = plan_gemm(gpu.chip, by, m, n, k, Split::joined);
        if (!bench.rivals_only)
            for (const GemmTile tile : tiles)
                for (int splits = 1; splits <= most_splits_of(Split::joined); splits *= 2)
                    if (GemmPlan{tile, splits} != chosen) add(by, {tile, splits});
        add(by, chosen);
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
    std::deque<LtProducts> lts;
    add_libraries(bench, shape,
                  {.what = "layer",
                   .flops = flops_of(m, n, k),
                   .cublas =
                       [&](CublasBy by, int batch) {
                           return bench.cublas.gemm(by, m, n, k, 1, {w.data(), m},
                                                    {images.packed(batch, n), k}, 0, out.data(), m);
                       },
                   .out = out,
                   .lt =
                       [&](LtProducts& lt, int batch) {
                           lt.product(Ones::in_sum, m, n, k + 1, {w.data(), m},
                                      {images.with_ones(batch, n), images.stride()}, out.data(), m);
                       },
                   .poison = poison,
                   .error = error_against(nullptr),
                   .lt_error = error_against(b_values.data(), false)},
                  contenders, lts);
    bench.run(shape, contenders, images.batches(n));
}

void measure_gradient(Bench& bench, Shape shape) {
    GradientArrays g(bench, shape);
    const double flops = flops_of(g.m, g.d, g.n);
    const auto poison = [&] { g.poison(); };
    std::vector<Contender> contenders;
    for (const GemmBy by : ways(g.gpu)) {
        const GemmPlan plan = plan_gemm(g.gpu.chip, by, g.m, g.d + 1, g.n, Split::left);
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
    std::deque<LtProducts> lts;
    add_libraries(
        bench, shape,
        {.what = "gradient",
         .flops = flops,
         .cublas =
             [&](CublasBy by, int batch) {
                 return bench.cublas.gemm(by, g.m, g.d, g.n, 1, {g.delta.data(), g.m},
                                          {g.images.packed(batch, g.n), g.d, Transposed::yes}, 0,
                                          g.sum.data(), g.m);
             },
         .out = g.sum,
         .lt =
             [&](LtProducts& lt, int batch) {
                 lt.product(Ones::in_columns, g.m, g.d + 1, g.n, {g.delta.data(), g.m},
                            {g.images.with_ones(batch, g.n), g.images.stride(), Transposed::yes},
                            g.sum.data(), g.m);
             },
         .poison = poison,
         .error = [&](int batch) { return g.error(batch, g.sum, g.d, 1); },
         .lt_error = [&](int batch) { return g.error(batch, g.sum, g.d + 1, 1); }},
        contenders, lts);
    bench.run(shape, contenders, g.images.batches(g.n));
}

void measure_plans(Bench& bench, Shape shape) {
    GradientArrays g(bench, shape);
    std::vector<Contender> contenders;
    std::deque<JointMemory> joints;
    for (const GemmBy by : ways(g.gpu)) {
        const GemmPlan chosen = plan_gemm(g.gpu.chip, by, g.m, g.d + 1, g.n, Split::joined);
        for (const GemmTile tile : tiles)
            for (int splits = 1; splits <= most_splits_of(Split::joined); ++splits) {
                const GemmPlan plan{tile, splits};
                if (splits > 8 && splits % 4 != 0 && plan != chosen) continue;
                joints.emplace_back(joint_size(by, plan, g.m, g.d + 1), g.gpu.stream);
                contenders.push_back(
                    {.what = "gradient and step",
                     .name = std::string(name_of(by)) + " " + name_of(tile) + " / " +
                             std::to_string(splits),
                     .flops = 0,
                     .run =
                         [&, by, plan, joint = joints.back().get()](int batch) {
                             gpu_gradient_and_descent(
                                 g.gpu, by, g.m, g.n, g.d, g.delta.data(),
                                 input_of(g.images.bytes(batch, g.n), Images::scale),
                                 g.add_up.data(), g.sum.data(), 0, {}, plan, joint);
                         },
                     .poison = [&] { g.sum.fill_bytes(0, g.gpu.stream); },
                     .error = [&](int batch) { return g.error(batch, g.sum, g.d + 1, 1); },
                     .chosen = plan == chosen});
            }
    }
    bench.run(shape, contenders, g.images.batches(g.n));
}
