// gpu_model.cpp: prints what the model of GPU_MODEL.md predicts for a step of training on each of a
// few GPUs, before anybody has measured it there.
//
//   gpu_model [--csv | --markdown] [CHIP]      CHIP: t4, a100, rtx4090, h100, b200
//
// The products come from device/gpu/plan.cpp, the very lines by which the program chooses its
// tiles; the head and the step are described here. --csv has the columns type, hidden, batch, what
// and contender of the table of make bench-gpu, so that predictions and measurements can be joined.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/real.h"
#include "device/gpu/plan.h"

namespace {

constexpr int pixels = 784, classes = 10, real_bytes = sizeof(nn_real);
constexpr double node_seconds = 0.85e-6;  // of a kernel in a CUDA graph: measured on an H100

struct NamedChip {
    const char *id, *name;
    GpuChip chip;
};
constexpr NamedChip chips[] = {{"t4", "T4", {40, 75}},
                               {"a100", "A100 SXM", {108, 80}},
                               {"rtx4090", "RTX 4090", {128, 89}},
                               {"h100", "H100 SXM", {132, 90}},
                               {"b200", "B200", {148, 100}}};

struct Shape {
    int hidden, batch;
};
constexpr Shape shapes[] = {{200, 24}, {100, 800}, {512, 256}, {1024, 1024}, {4096, 8192}};

struct Kernel {
    std::string name, plan;
    double seconds, floor;
};

double ceil_div(double a, double b) { return std::ceil(a / b); }

/// Bytes a second that the whole chip moves: from the level-2 cache where they all fit in it.
double bandwidth(const NamedChip& c, double bytes) {
    const GpuRates& rates = gpu_rates(c.chip.capability);
    const double cache = rates.l2_bytes * rates.clock * c.chip.multiprocessors;
    return bytes <= rates.l2_size ? std::max(cache, rates.dram_bytes) : rates.dram_bytes;
}

double fma_a_clock(const GpuRates& rates) {
    if (real_bytes == 4) return rates.fma_float;
    // The head does not use tensor cores, which have half of the double rate of these two.
    const bool mma = rates.capability == 80 || rates.capability == 90;
    return mma ? rates.fma_double / 2 : rates.fma_double;
}

/// Blocks of gpu_head, by gpu_head_parts' rule for few classes, and the samples that one takes.
double head_parts(const NamedChip& c, const Shape& s) {
    return std::min(1. * c.chip.multiprocessors, ceil_div(s.batch, 4));
}
double run_of(const NamedChip& c, const Shape& s) { return ceil_div(s.batch, head_parts(c, s)); }

/// Cycles of one block of gpu_head, of 8 warps: windows of 256 of W's columns are loaded, sums over
/// them shuffled together (a shuffle a clock), samples' softmaxes taken one after the other by each
/// warp; on the way back each window is loaded again, and eight samples wait for memory at a time.
double head_cycles(const NamedChip& c, const Shape& s) {
    constexpr double start = 800, end = 300, latency = 270, softmax = 550, warps = 8;
    constexpr double shuffles = 12 * real_bytes / 4;  // of ten sums; one moves four bytes
    const double run = run_of(c, s), columns = run > warps ? 4 : 1;
    const double windows = ceil_div(s.hidden, 256), inputs = std::min(s.hidden, 256);
    const double rounds = ceil_div(run, warps * columns);
    const double move = inputs * classes * 15 / 128;  // 15 instructions an element
    const double load = latency + move;
    const double wavefronts = inputs / 32 * warps * (real_bytes == 4 ? 12 : 20);
    const double issue = inputs / 32 * warps * (classes * columns + 3 + 3 * columns) / 4;
    const double logits = (windows == 1 ? load : windows * rounds * load) +
                          rounds * (windows * std::max({2 * latency, wavefronts, issue}) +
                                    warps * columns * shuffles) +
                          ceil_div(run, warps) * softmax;
    const double eight_samples = latency + warps * 8 * 30 / 4 * inputs / 256;
    const double back =
        windows * ((windows == 1 ? 0 : load) + ceil_div(run, 8) * eight_samples + move);
    const double arithmetic =
        3. * classes * s.hidden * run / fma_a_clock(gpu_rates(c.chip.capability));
    return start + std::max(logits + back, arithmetic) + end;
}

Kernel head(const NamedChip& c, const Shape& s) {
    const GpuRates& rates = gpu_rates(c.chip.capability);
    const double area = 1. * s.hidden * s.batch * real_bytes, parts = head_parts(c, s);
    const double part_bytes = parts * classes * (s.hidden + 1) * real_bytes;
    // A is read twice, the second time from further away than the first unless it fits in the
    // cache.
    const double bytes = 3 * area + part_bytes;
    const double at_least = 2 * area;
    const double blocks_in_turn = ceil_div(parts, c.chip.multiprocessors);
    const double arithmetic = 3. * classes * s.hidden * s.batch /
                              (fma_a_clock(rates) * rates.clock * c.chip.multiprocessors);
    return {"head", std::to_string(static_cast<int>(parts)) + " parts",
            std::max(blocks_in_turn * head_cycles(c, s) / rates.clock,
                     bytes / bandwidth(c, 2 * area + part_bytes)),
            std::max(arithmetic, at_least / bandwidth(c, at_least))};
}

/// All parts of both gradients read, the parameters read and written, eight loads of a part on
/// their way at a time. The parts of dW1 but the first are counted in its product.
Kernel step(const NamedChip& c, const Shape& s) {
    const GpuRates& rates = gpu_rates(c.chip.capability);
    const double first = 1. * s.hidden * (pixels + 1), second = 1. * classes * (s.hidden + 1);
    const double parts = head_parts(c, s);
    const double at_least = (3 * first + 3 * second) * real_bytes;
    const double bytes = (3 * first + (parts + 2) * second) * real_bytes;
    const double waits = 1 + ceil_div(ceil_div(parts, 8), 8);
    return {"step", "", (800 + waits * 270 + 300) / rates.clock + bytes / bandwidth(c, bytes),
            at_least / bandwidth(c, at_least)};
}

std::string plan_text(GemmBy by, const GemmPlan& plan) {
    const TileShape t = tile_shape(by, plan.tile, real_bytes);
    std::string text = std::to_string(t.m) + "x" + std::to_string(t.n);
    if (plan.splits > 1) text += " in " + std::to_string(plan.splits);
    return text;
}

Kernel product(const NamedChip& c, GemmBy by, const char* name, int m, int n, int k, Split split) {
    const GemmPlan plan = plan_gemm(c.chip, by, m, n, k, split);
    return {name, plan_text(by, plan), predicted_seconds(c.chip, by, plan, m, n, k, split),
            floor_seconds(c.chip, by, m, n, k)};
}

std::vector<Kernel> kernels_of(const NamedChip& c, GemmBy by, const Shape& s) {
    return {product(c, by, "layer", s.hidden, s.batch, pixels, Split::joined), head(c, s),
            product(c, by, "gradient", s.hidden, pixels + 1, s.batch, Split::left), step(c, s)};
}

double step_seconds(const std::vector<Kernel>& kernels) {
    double sum = 0;
    for (const Kernel& kernel : kernels) sum += kernel.seconds + node_seconds;
    return sum;
}

const char* name_of(GemmBy by) {
    if (by == GemmBy::bf16x3) return "bf16x3";
    return real_bytes == 4 ? "fp32" : "fp64";
}

enum class Format { text, csv, markdown };

void print_shape(const NamedChip& c, GemmBy by, const Shape& s, Format format) {
    const std::vector<Kernel> kernels = kernels_of(c, by, s);
    const double total = step_seconds(kernels);
    double floors = 0;
    for (const Kernel& k : kernels) floors += k.floor;
    if (format == Format::csv) {
        const auto row = [&](const char* what, const std::string& contender,
                             const std::string& plan, double seconds, double floor) {
            std::printf("%s,%s,%d,%d,%s,%s,%s,%.3f,%.3f\n", c.name, nn_real_name, s.hidden, s.batch,
                        what, contender.c_str(), plan.c_str(), 1e6 * seconds, 1e6 * floor);
        };
        const std::string name = name_of(by);
        for (const Kernel& k : kernels)
            row("kernel", name + " " + k.name, k.plan, k.seconds, k.floor);
        return row("step", name, "", total, floors);
    }
    const bool markdown = format == Format::markdown;
    std::printf(markdown ? "| (%d, %d) | %s |" : "(%5d,%5d) %-6s ", s.hidden, s.batch, name_of(by));
    for (const Kernel& k : kernels) {
        const std::string plan = k.plan.empty() ? "" : " (" + k.plan + ")";
        std::printf(markdown ? " %.1f%s |" : " %7.1f%-14s", 1e6 * k.seconds, plan.c_str());
    }
    std::printf(markdown ? " **%.1f** | %.1f |\n" : " %8.1f %8.1f\n", 1e6 * total, 1e6 * floors);
}

void print_heads(const NamedChip& c, Format format) {
    if (format == Format::markdown)
        std::printf(
            "| %s, (H, B) | products | layer | head | gradient | step | whole step | floor "
            "|\n|---|---|---|---|---|---|---|---|\n",
            c.name);
    if (format == Format::text)
        std::printf(
            "%s: predicted microseconds, not measured\n%-20s  %-21s %-21s %-21s %-21s "
            "%9s %8s\n",
            c.name, "(H, B)", "  layer", "  head", "  gradient", "  step", "whole", "floor");
}

/// The one comparison that public figures allow: cublasSgemm is reported to reach 45 to 54 TFLOP/s
/// on an H100 SXM at sizes of 4096. What it takes at small sizes cannot be derived.
void print_library(const NamedChip& c) {
    if (c.chip.capability != 90 || real_bytes != 4) return;
    const Shape s = shapes[4];
    const double flops = 4. * s.hidden * s.batch * pixels;  // of the layer and the gradient
    std::printf(
        "At (%d, %d) cublasSgemm, at 45 to 54 TFLOP/s, would take %.0f to %.0f us for the two "
        "products.\n",
        s.hidden, s.batch, 1e6 * flops / 54e12, 1e6 * flops / 45e12);
    for (const GemmBy by : {GemmBy::fma, GemmBy::bf16x3}) {
        const std::vector<Kernel> kernels = kernels_of(c, by, s);
        const double ours = kernels[0].seconds + kernels[2].seconds;
        std::printf(
            "Predicted ratio of theirs to ours by %s: %.1f to %.1f; of their products alone "
            "to our whole step: %.1f to %.1f.\n",
            name_of(by), flops / 54e12 / ours, flops / 45e12 / ours,
            flops / 54e12 / step_seconds(kernels), flops / 45e12 / step_seconds(kernels));
    }
}

int use() {
    std::fprintf(stderr,
                 "gpu_model prints predicted times of training steps on GPUs.\n"
                 "use: gpu_model [--csv | --markdown] [t4 | a100 | rtx4090 | h100 | b200]\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    Format format = Format::text;
    std::string wanted;
    for (const std::string& argument : std::vector<std::string>(argv + 1, argv + argc)) {
        if (argument == "--csv")
            format = Format::csv;
        else if (argument == "--markdown")
            format = Format::markdown;
        else if (std::any_of(std::begin(chips), std::end(chips),
                             [&](const NamedChip& c) { return argument == c.id; }))
            wanted = argument;
        else
            return use();
    }
    if (format == Format::csv)
        std::puts("gpu,type,hidden,batch,what,contender,plan,predicted_us,floor_us");
    for (const NamedChip& c : chips) {
        if (!wanted.empty() && wanted != c.id) continue;
        print_heads(c, format);
        for (const GemmBy by : {GemmBy::fma, GemmBy::bf16x3}) {
            if (by == GemmBy::bf16x3 && (real_bytes == 8 || c.chip.capability < 80)) continue;
            for (const Shape& s : shapes) print_shape(c, by, s, format);
        }
        if (format == Format::csv) continue;
        std::puts("");
        print_library(c);
    }
    return 0;
}
