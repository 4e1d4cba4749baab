// gpu_fit_report.cpp: what gpu_fit prints, and its exit code.
//
// The constants as they are and as they fit the table best, as lines of
// src/device/gpu/plan_costs.h; then how well the model predicts each kind of row, each kernel and
// step, the rows that are more than 20 % off, and what the planner's choice loses to the best plan
// that was measured.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

#include "base/error.h"
#include "gpu_fit.h"

namespace {

constexpr double allowed = 0.20;

double ratio_of(const FitTable& table, const PlanCosts& costs, const FitRow& row) {
    return row.us / predicted_us(table.chip, costs, row);
}

const char* type_of(const FitRow& row) { return row.bytes == 8 ? "double" : "float"; }

std::string written(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value < 100 ? "%.3g" : "%.0f", value);
    return text;
}

void print_costs(const PlanCosts& before, const PlanCosts& after) {
    std::puts("The constants that fit best, and what they were:");
    for (const FittedCost& cost : fitted_costs()) {
        const std::string line = std::string(cost.name) + " = " + written(after.*cost.at) + ";";
        const bool bound = after.*cost.at == cost.least || after.*cost.at == cost.most;
        std::printf("    double %-24s // was %s%s\n", line.c_str(),
                    written(before.*cost.at).c_str(), bound ? "; at its bound" : "");
    }
}

/// "float kernel, fp32 layer" and the like: a row's name without its plan.
std::string kind_of(const FitRow& row) {
    const std::size_t way_ends = row.name.find(' ', row.name.find(", ") + 2);
    return std::string(type_of(row)) + " " +
           (row.one_of_plans ? row.name.substr(0, way_ends) + ", every plan" : row.name);
}

void print_kinds(const FitTable& table, const PlanCosts& before, const PlanCosts& after) {
    std::map<std::string, std::vector<const FitRow*>> kinds;
    for (const FitRow& row : table.rows) kinds[kind_of(row)].push_back(&row);
    std::puts("\nMeasured over predicted:");
    std::printf("%-46s %5s  %8s  %8s %8s  %s\n", "what", "rows", "before", "median", "worst",
                "beyond 20 %");
    for (const auto& [kind, rows] : kinds) {
        const auto ratios = [&, &rows = rows](const PlanCosts& costs) {
            std::vector<double> all;
            all.reserve(rows.size());
            for (const FitRow* row : rows) all.push_back(ratio_of(table, costs, *row));
            std::ranges::sort(all);
            return all;
        };
        const auto far = [](double r) { return std::abs(std::log(r)); };
        const std::vector<double> old = ratios(before), now = ratios(after);
        const double worst = far(now.front()) > far(now.back()) ? now.front() : now.back();
        const auto beyond =
            std::ranges::count_if(now, [](double r) { return std::abs(r - 1) > allowed; });
        std::printf("%-46s %5zu  %8.2f  %8.2f %8.2f  %td\n", kind.c_str(), now.size(),
                    old[old.size() / 2], now[now.size() / 2], worst, beyond);
    }
}

/// Kernels and whole steps, of which there are few, one by one.
void print_steps(const FitTable& table, const PlanCosts& before, const PlanCosts& after) {
    std::puts("\nMicroseconds of kernels and steps, each with its nodes:");
    std::printf("%-14s %-28s %10s %10s %10s\n", "(H, B)", "what", "measured", "before", "after");
    for (const FitRow& row : table.rows) {
        if (row.one_of_plans) continue;
        char shape[32];
        std::snprintf(shape, sizeof shape, "(%d,%d)", row.shape.hidden, row.shape.batch);
        std::printf("%-14s %-28s %10.1f %10.1f %10.1f\n", shape, row.name.c_str(), row.us,
                    predicted_us(table.chip, before, row), predicted_us(table.chip, after, row));
    }
}

void print_rows_beyond(const FitTable& table, const PlanCosts& costs) {
    std::puts("\nRows beyond 20 %:");
    for (const FitRow& row : table.rows) {
        const double ratio = ratio_of(table, costs, row);
        if (std::abs(ratio - 1) <= allowed) continue;
        std::printf("  %s (%d,%d) %s: %.1f us, predicted %.1f, %.2f times\n", type_of(row),
                    row.shape.hidden, row.shape.batch, row.name.c_str(), row.us, row.us / ratio,
                    ratio);
    }
}

/// Of the plans of one product, the one that the model predicts to be the fastest, and the fastest.
void print_plans(const FitTable& table, const PlanCosts& costs) {
    std::map<std::string, std::vector<const FitRow*>> places;
    for (const FitRow& row : table.rows)
        if (row.one_of_plans)
            places[kind_of(row).substr(0, kind_of(row).rfind(',')) + " (" +
                   std::to_string(row.shape.hidden) + "," + std::to_string(row.shape.batch) + ")"]
                .push_back(&row);
    std::puts("\nThe plan that the model takes of those measured, and the fastest:");
    for (const auto& [place, rows] : places) {
        const FitRow& taken = **std::ranges::min_element(
            rows, {}, [&](const FitRow* row) { return predicted_us(table.chip, costs, *row); });
        const FitRow& best = **std::ranges::min_element(rows, {}, &FitRow::us);
        const auto plan = [](const FitRow& row) {
            return row.name.substr(row.name.find(' ', row.name.find(", ") + 2) + 1);
        };
        std::printf("  %-44s %-12s %8.1f us, best %-12s %8.1f us: %5.1f %% slower\n", place.c_str(),
                    plan(taken).c_str(), taken.us, plan(best).c_str(), best.us,
                    100 * (taken.us / best.us - 1));
    }
}

void fit(const std::string& path) {
    std::ifstream in(path);
    if (!in) refuse(path, "a file that can be read", "none", "name the csv that gpu_bench wrote");
    const FitTable table = read_fit_table(in, path);
    const PlanCosts before, after = fit_costs(table, before);
    std::printf("%s: %zu rows that the model describes, %d multiprocessors of capability %d.%d\n",
                path.c_str(), table.rows.size(), table.chip.multiprocessors,
                table.chip.capability / 10, table.chip.capability % 10);
    print_costs(before, after);
    print_kinds(table, before, after);
    print_steps(table, before, after);
    print_rows_beyond(table, after);
    print_plans(table, after);
}

}  // namespace

int gpu_fit(std::span<const std::string> arguments) {
    try {
        if (arguments.size() != 1)
            throw InputError("gpu_fit: expected the name of one csv; use: gpu_fit CSV");
        fit(arguments[0]);
        return exit_ok;
    } catch (const InputError& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return exit_bad_input;
    }
}
