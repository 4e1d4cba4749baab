// gpu_fit_table.cpp: the rows of gpu_bench's table that the model describes, and its prediction.
//
// bench/gpu_bench.cu writes the table. A row is known by its columns "what" and "contender"; what
// each of them times is in bench/gpu_bench_products.cu and bench/gpu_steps.cu.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "gpu_fit.h"

namespace {

constexpr std::string_view heading =
    "type,hidden,batch,what,contender,chosen,judged,median_us,q1_us,q3_us,repetitions,chain,tflops,"
    "error,bytes";

std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells(1);
    for (const char c : line) {
        if (c == ',')
            cells.emplace_back();
        else
            cells.back() += c;
    }
    return cells;
}

template <class Number>
Number number_of(const std::string& text, const std::string& where) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value > 0))
        refuse(where, "a number above 0", "'" + harmless(text) + "'",
               "take the csv as gpu_bench wrote it");
    return value;
}

/// "fp32 rest" and the like.
struct Contender {
    GemmBy by;
    int bytes;
    std::string way, rest;
};
std::optional<Contender> contender_of(const std::string& type, const std::string& text) {
    for (const auto& [way, by] :
         {std::pair{"fp32", GemmBy::fma}, {"bf16x3", GemmBy::bf16x3}, {"fp64", GemmBy::fma}}) {
        const std::string name = way;
        if (text != name && !text.starts_with(name + " ")) continue;
        return Contender{by, type == "double" ? 8 : 4, name,
                         text == name ? "" : text.substr(name.size() + 1)};
    }
    return {};
}

/// "small / 2"
std::optional<GemmPlan> plan_named(const std::string& text) {
    for (const auto& [name, tile] : {std::pair{"small / ", GemmTile::small},
                                     {"medium / ", GemmTile::medium},
                                     {"large / ", GemmTile::large}}) {
        if (!text.starts_with(name)) continue;
        const std::string parts = text.substr(std::string_view(name).size());
        return GemmPlan{tile, number_of<int>(parts, "the plan " + text)};
    }
    return {};
}

std::string place(const std::string& way, const char* product, const StepShape& s) {
    return way + " " + product + " at (" + std::to_string(s.hidden) + "," +
           std::to_string(s.batch) + ")";
}

/// A table while it is read: plans are looked up when all of it is there.
struct Reader {
    FitTable table;
    std::map<std::string, GemmPlan> plans;  ///< by place(): those that the table names
    std::vector<std::string> ways;          ///< of each row

    void note(const std::string& key, const std::string& value, const std::string& where) {
        if (key == "capability") table.chip.capability = number_of<int>(value, where);
        if (key == "multiprocessors") table.chip.multiprocessors = number_of<int>(value, where);
        if (key == "pixels" && value != std::to_string(mnist_pixels))
            refuse(where, std::to_string(mnist_pixels) + " pixels", "'" + harmless(value) + "'",
                   "take the csv of a run on a GPU, for a trial's times mean nothing");
        if (!key.starts_with("plan of ")) return;
        if (const auto plan = plan_named(value)) plans.emplace(key.substr(8), *plan);
    }
    void row(const std::vector<std::string>& cells, const std::string& where);
    void fill_in_plans();
};

void Reader::row(const std::vector<std::string>& cells, const std::string& where) {
    const std::string &type = cells[0], &what = cells[3];
    const auto contender = contender_of(type, cells[4]);
    if (!contender) return;
    const std::string& rest = contender->rest;
    FitRow row{.bytes = contender->bytes,
               .by = contender->by,
               .shape = {number_of<int>(cells[1], where), number_of<int>(cells[2], where)},
               .timed = Timed::step,
               .forward = {},
               .gradient = {},
               .descent = {},
               .one_of_plans = false,
               .chosen = cells[5] == "1",
               .us = number_of<double>(cells[7], where),
               .name = what + ", " + cells[4]};
    const auto plan = plan_named(rest);
    if (what == "step" && rest.empty())
        row.timed = Timed::step;
    else if (what == "kernel")
        row.timed = rest == "layer"      ? Timed::forward
                    : rest == "head"     ? Timed::head
                    : rest == "gradient" ? Timed::gradient
                    : rest == "descent"  ? Timed::descent
                                         : Timed::update;
    else if (what == "layer" && plan)
        row.timed = Timed::forward;
    else if (what == "gradient and step" && plan)
        row.timed = Timed::descent;
    else if (what == "gradient" && rest == "parts")
        row.timed = Timed::gradient;
    else
        return;
    if (plan) {
        row.forward = row.gradient = row.descent = *plan;
        row.one_of_plans = true;
        const char* const product = row.timed == Timed::forward ? "layer" : "descent";
        if (row.chosen) plans.insert_or_assign(place(contender->way, product, row.shape), *plan);
    }
    table.rows.push_back(row);
    ways.push_back(contender->way);
}

void Reader::fill_in_plans() {
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        FitRow& row = table.rows[i];
        if (row.one_of_plans) continue;
        const auto find = [&](const char* product, FirstLayer what) {
            const auto known = plans.find(place(ways[i], product, row.shape));
            return known != plans.end()
                       ? known->second
                       : plan_of(GpuModel{table.chip, {}, row.bytes}, what, row.by, row.shape);
        };
        row.forward = find("layer", FirstLayer::forward);
        row.gradient = find("gradient", FirstLayer::gradient);
        row.descent = find("descent", FirstLayer::descent);
    }
}

}  // namespace

FitTable read_fit_table(std::istream& in, const std::string& name) {
    const char* const advice = "give the csv that gpu_bench --csv wrote";
    Reader reader;
    bool headed = false;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        const std::string where = name + ", line " + std::to_string(++number);
        if (line.starts_with("# ")) {
            const std::size_t colon = line.find(": ");
            if (colon != std::string::npos)
                reader.note(line.substr(2, colon - 2), line.substr(colon + 2), where);
        } else if (!headed) {
            if (line != heading)
                refuse(where, "the heading of gpu_bench's table", "'" + harmless(line) + "'",
                       advice);
            headed = true;
        } else {
            const auto cells = cells_of(line);
            if (cells.size() != 15)
                refuse(where, "15 columns", std::to_string(cells.size()), advice);
            reader.row(cells, where);
        }
    }
    if (reader.table.rows.empty())
        refuse(name, "a row of a kernel, a step or a plan", "none", advice);
    // Before there was a descent, a step had four kernels, and a plan's row two.
    const auto rows_of = [&](auto which) { return std::ranges::any_of(reader.table.rows, which); };
    if (rows_of(
            [](const FitRow& r) { return r.timed == Timed::step || r.timed == Timed::descent; }) &&
        !rows_of([](const FitRow& r) { return r.timed == Timed::descent && !r.one_of_plans; }))
        refuse(name, "a row of the kernel 'descent'", "none",
               "measure again, by the gpu_bench of this version");
    if (reader.table.chip.capability == 0 || reader.table.chip.multiprocessors == 0)
        refuse(name, "lines '# capability: N' and '# multiprocessors: N'", "none", advice);
    reader.fill_in_plans();
    return reader.table;
}

double predicted_us(const GpuChip& chip, const PlanCosts& costs, const FitRow& row) {
    const GpuModel model{chip, costs, row.bytes};
    const StepShape& s = row.shape;
    // A row is a chain of the same kernel.
    const auto product = [&](FirstLayer what, GemmPlan plan) {
        return product_seconds(model, what, row.by, s, plan) + node_seconds(model);
    };
    double seconds = 0;
    switch (row.timed) {
        case Timed::forward:
            seconds = product(FirstLayer::forward, row.forward);
            break;
        case Timed::head:
            seconds = head_seconds(model, s) + node_seconds(model);
            break;
        case Timed::gradient:
            seconds = product(FirstLayer::gradient, row.gradient);
            break;
        case Timed::update:
            seconds = update_seconds(model, s, row.gradient.splits) + node_seconds(model);
            break;
        case Timed::descent:
            seconds = product(FirstLayer::descent, row.descent);
            break;
        case Timed::step:
            seconds = step_seconds(model, row.by, s, row.forward, row.descent);
    }
    return 1e6 * seconds;
}
