// gpu_fit_search.cpp: the search for constants, by one and by two of them at a time.
//
// A row counts by the logarithm of measured over predicted, so that twice as fast and twice as slow
// weigh the same, and grows no faster than that, so that a few odd rows decide nothing. Plans that
// no planner should take count less: by their time over the best plan's.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "gpu_fit.h"

namespace {

constexpr FittedCost fitted[] = {{"early_crowds", &PlanCosts::early_crowds, 0.01, 1},
                                 {"product_start", &PlanCosts::product_start, 100, 20000},
                                 {"block_start", &PlanCosts::block_start, 20, 10000},
                                 {"write_four", &PlanCosts::write_four, 5, 1000},
                                 {"exposed_fma", &PlanCosts::exposed_fma, 20, 3000},
                                 {"exposed_bf16x3", &PlanCosts::exposed_bf16x3, 20, 3000},
                                 {"exposed_double", &PlanCosts::exposed_double, 20, 3000},
                                 {"shared_fma", &PlanCosts::shared_fma, 0.02, 1.5},
                                 {"shared_bf16x3", &PlanCosts::shared_bf16x3, 0.02, 1.5},
                                 {"mma_double_large", &PlanCosts::mma_double_large, 0.1, 1},
                                 {"mma_double_medium", &PlanCosts::mma_double_medium, 0.1, 1},
                                 {"mma_double_small", &PlanCosts::mma_double_small, 0.1, 1},
                                 {"join_wait", &PlanCosts::join_wait, 50, 5000},
                                 {"join_bytes", &PlanCosts::join_bytes, 4, 64},
                                 {"head_start", &PlanCosts::head_start, 300, 20000},
                                 {"head_window", &PlanCosts::head_window, 100, 10000},
                                 {"head_pass", &PlanCosts::head_pass, 100, 10000},
                                 {"narrow_start", &PlanCosts::narrow_start, 300, 20000},
                                 {"narrow_sample", &PlanCosts::narrow_sample, 2, 1000},
                                 {"update_start", &PlanCosts::update_start, 50, 10000},
                                 {"update_round", &PlanCosts::update_round, 100, 10000}};

/// Rows that are plans of the same product.
auto place_of(const FitRow& row) {
    return std::tuple{row.bytes, row.by, row.shape.hidden, row.shape.batch, row.timed};
}

std::vector<double> weights_of(const FitTable& table) {
    std::map<decltype(place_of(table.rows[0])), double> best;
    for (const FitRow& row : table.rows) {
        if (!row.one_of_plans) continue;
        const auto [at, first] = best.try_emplace(place_of(row), row.us);
        if (!first) at->second = std::min(at->second, row.us);
    }
    std::vector<double> weights;
    for (const FitRow& row : table.rows)
        weights.push_back(row.one_of_plans ? best.at(place_of(row)) / row.us : 1);
    return weights;
}

/// Close to 0 it grows by the square, far from it by the distance.
double penalty(double log_ratio) {
    constexpr double near = 0.05;
    return std::sqrt(log_ratio * log_ratio + near * near) - near;
}

double misfit_of(const FitTable& table, const std::vector<double>& weights,
                 const PlanCosts& costs) {
    double sum = 0;
    for (std::size_t i = 0; i < table.rows.size(); ++i)
        sum += weights[i] *
               penalty(std::log(table.rows[i].us / predicted_us(table.chip, costs, table.rows[i])));
    return sum;
}

/// The constants with one of them times a factor, within its bounds.
PlanCosts moved(PlanCosts costs, const FittedCost& cost, double factor) {
    costs.*cost.at = std::clamp(costs.*cost.at * factor, cost.least, cost.most);
    return costs;
}

/// Those that some row depends on: a table of floats says nothing of doubles.
std::vector<FittedCost> decided_by(const FitTable& table, const std::vector<double>& weights,
                                   const PlanCosts& start) {
    std::vector<FittedCost> decided;
    const double now = misfit_of(table, weights, start);
    for (const FittedCost& cost : fitted)
        if (misfit_of(table, weights, moved(start, cost, 1.3)) != now ||
            misfit_of(table, weights, moved(start, cost, 1 / 1.3)) != now)
            decided.push_back(cost);
    return decided;
}

}  // namespace

std::span<const FittedCost> fitted_costs() { return fitted; }

double misfit(const FitTable& table, const PlanCosts& costs) {
    return misfit_of(table, weights_of(table), costs);
}

PlanCosts fit_costs(const FitTable& table, const PlanCosts& start) {
    const std::vector<double> weights = weights_of(table);
    const std::vector<FittedCost> decided = decided_by(table, weights, start);
    PlanCosts best = start;
    double least = misfit_of(table, weights, best);
    const auto try_it = [&](const PlanCosts& costs) {
        const double found = misfit_of(table, weights, costs);
        if (found >= least - 1e-9) return false;
        least = found;
        best = costs;
        return true;
    };
    constexpr double finest = 0.002;
    for (double step = 0.3; step > finest;) {
        bool better = false;
        for (const FittedCost& one : decided)
            for (const double up : {1 + step, 1 / (1 + step)}) {
                while (try_it(moved(best, one, up))) better = true;
                // Two that stand for each other in most rows: one more, the other less, or both.
                for (const FittedCost& other : decided)
                    if (&other > &one)
                        for (const double too : {1 + step, 1 / (1 + step)})
                            while (try_it(moved(moved(best, one, up), other, too))) better = true;
            }
        if (!better) step /= 2;
    }
    return best;
}
