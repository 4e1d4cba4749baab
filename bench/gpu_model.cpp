// gpu_model.cpp: prints what the model of GPU_MODEL.md predicts for a step of training on each of a
// few GPUs, of which an H100 has been measured.
//
//   gpu_model [--csv | --markdown] [CHIP]      CHIP: t4, a100, rtx4090, h100, b200
//
// The products come from device/gpu/plan.cpp, the very lines by which the program chooses its
// tiles, the rest of a step from gpu_step_model.cpp; what each costs at least is added here. --csv
// has the columns type, hidden, batch, what and contender of the table of make bench-gpu, so that
// predictions and measurements can be joined.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/real.h"
#include "gpu_step_model.h"

namespace {

constexpr int real_bytes = sizeof(nn_real);

struct NamedChip {
    const char *id, *name;
    GpuChip chip;
};
constexpr NamedChip chips[] = {{"t4", "T4", {40, 75}},
                               {"a100", "A100 SXM", {108, 80}},
                               {"rtx4090", "RTX 4090", {128, 89}},
                               {"h100", "H100 SXM", {132, 90}},
                               {"b200", "B200", {148, 100}}};

constexpr StepShape shapes[] = {{200, 24}, {100, 800}, {512, 256}, {1024, 1024}, {4096, 8192}};

struct Kernel {
    std::string name, plan;
    double seconds, node, floor;
    bool of_a_step = true;  ///< by plain descent on one rank; the others are of other steps
};

GpuModel model_of(const NamedChip& c) { return {.chip = c.chip}; }

Kernel head(const NamedChip& c, const StepShape& s) {
    const GpuModel model = model_of(c);
    const double at_least = 2. * s.hidden * s.batch * real_bytes;
    const double arithmetic =
        3. * mnist_classes * s.hidden * s.batch /
        (plain_fma_a_clock(model) * gpu_rates(c.chip.capability).clock * c.chip.multiprocessors);
    return {"head", std::to_string(head_parts(model, s)) + " parts", head_seconds(model, s),
            node_seconds(model), std::max(arithmetic, at_least / bytes_a_second(c.chip, at_least))};
}

Kernel update(const NamedChip& c, const StepShape& s, int parts) {
    const GpuModel model = model_of(c);
    const double first = 1. * s.hidden * (mnist_pixels + 1);
    const double second = 1. * mnist_classes * (s.hidden + 1);
    const double at_least = 3 * (first + second) * real_bytes;
    return {"step",
            "",
            update_seconds(model, s, parts),
            node_seconds(model),
            at_least / bytes_a_second(c.chip, at_least),
            false};
}

std::string plan_text(GemmBy by, const GemmPlan& plan) {
    const TileShape t = tile_shape(by, plan.tile, real_bytes);
    std::string text = std::to_string(t.m) + "x" + std::to_string(t.n);
    if (plan.splits > 1) text += " in " + std::to_string(plan.splits);
    return text;
}

/// The kernel that makes the bytes of a product by int8, with its node: it reads A twice and writes
/// four digits of it, and reads and writes the pixels. Measured on no GPU.
double digits_seconds(const GpuModel& model, double m, double n, double k) {
    const double bytes = 12 * m * k + 2 * n * k;
    return node_seconds(model) + model.costs.update_start / gpu_rates(model.chip.capability).clock +
           bytes / bytes_a_second(model.chip, bytes);
}

Kernel product(const NamedChip& c, GemmBy by, const StepShape& s, FirstLayer what,
               const char* name) {
    const GpuModel model = model_of(c);
    const GemmPlan plan = plan_of(model, what, by, s);
    const bool forward = what == FirstLayer::forward;
    const double digits = by != GemmBy::int8 ? 0
                          : forward ? digits_seconds(model, s.hidden, s.batch, mnist_pixels)
                                    : digits_seconds(model, s.hidden, mnist_pixels + 1, s.batch);
    return {name,
            plan_text(by, plan),
            product_seconds(model, what, by, s, plan) + digits,
            node_seconds(model),
            forward ? floor_seconds(c.chip, by, s.hidden, s.batch, mnist_pixels)
                    : floor_seconds(c.chip, by, s.hidden, mnist_pixels + 1, s.batch),
            what != FirstLayer::gradient};
}

std::vector<Kernel> kernels_of(const NamedChip& c, GemmBy by, const StepShape& s) {
    return {product(c, by, s, FirstLayer::forward, "layer"), head(c, s),
            product(c, by, s, FirstLayer::descent, "descent"),
            product(c, by, s, FirstLayer::gradient, "gradient"),
            update(c, s, gradient_parts(by, plan_of(model_of(c), FirstLayer::gradient, by, s)))};
}

const char* name_of(GemmBy by) {
    if (by == GemmBy::bf16x3) return "bf16x3";
    if (by == GemmBy::int8) return "int8";
    return real_bytes == 4 ? "fp32" : "fp64";
}

enum class Format { text, csv, markdown };

void print_shape(const NamedChip& c, GemmBy by, const StepShape& s, Format format) {
    const std::vector<Kernel> kernels = kernels_of(c, by, s);
    double total = 0, floors = 0;
    for (const Kernel& k : kernels) {
        if (!k.of_a_step) continue;
        total += k.seconds + k.node;
        floors += k.floor;
    }
    if (format == Format::csv) {
        const auto row = [&](const char* what, const std::string& contender,
                             const std::string& plan, double seconds, double floor) {
            std::printf("%s,%s,%d,%d,%s,%s,%s,%.3f,%.3f\n", c.name, nn_real_name, s.hidden, s.batch,
                        what, contender.c_str(), plan.c_str(), 1e6 * seconds, 1e6 * floor);
        };
        const std::string name = name_of(by);
        for (const Kernel& k : kernels)
            row("kernel", name + " " + k.name, k.plan, k.seconds + k.node, k.floor);
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
            "| %s, (H, B) | products | layer | head | descent | gradient | step | whole | floor "
            "|\n|---|---|---|---|---|---|---|---|---|\n",
            c.name);
    if (format == Format::text)
        std::printf(
            "%s: predicted microseconds; whole: layer, head, descent and their nodes\n"
            "%-20s  %-21s %-21s %-21s %-21s %-21s %9s %8s\n",
            c.name, "(H, B)", "  layer", "  head", "  descent", "  gradient", "  step", "whole",
            "floor");
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
        for (const GemmBy by : {GemmBy::fma, GemmBy::bf16x3, GemmBy::int8}) {
            if (by != GemmBy::fma && (real_bytes == 8 || c.chip.capability < 80)) continue;
            for (const StepShape& s : shapes) print_shape(c, by, s, format);
        }
        if (format == Format::csv) continue;
        std::puts("");
    }
    return 0;
}
