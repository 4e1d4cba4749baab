// gpu_fit.h: fits the constants of the model of GPU kernels to a table of `make bench-gpu`.
//
// gpu_fit_table.cpp reads the table and says what the model predicts for each of its rows,
// gpu_fit_search.cpp looks for constants that predict better, gpu_fit_report.cpp prints what came
// of it.
#pragma once
#include <istream>
#include <span>
#include <string>
#include <vector>

#include "gpu_step_model.h"

/// What a row of the table timed: kernels of a graph, each with its node.
enum class Timed { forward, head, gradient, update, descent, step };

struct FitRow {
    int bytes;  ///< of a number
    GemmBy by;
    StepShape shape;
    Timed timed;
    GemmPlan forward, gradient, descent;  ///< by which the row was measured
    bool one_of_plans;                    ///< whether the table tries every plan at this place
    bool chosen;       ///< whether the planner of the measured program took this one
    double us;         ///< measured, microseconds
    std::string name;  ///< in the table: what and contender
};

struct FitTable {
    GpuChip chip = {};
    std::vector<FitRow> rows;  ///< without what the model does not describe: libraries, epochs
};

/// Reads the csv of gpu_bench; `name` is for messages. Throws InputError where it is no such table,
/// and where it holds no row that the model describes. A row that names no plan was measured by the
/// chosen one among the table's plans; else by that of a line "# plan of fp32 layer at (100,800):
/// small / 2"; else by what the planner chooses with its present constants.
FitTable read_fit_table(std::istream& in, const std::string& name);

/// What the model predicts for a row, in microseconds.
double predicted_us(const GpuChip& chip, const PlanCosts& costs, const FitRow& row);

/// One constant that a table of gpu_bench decides, and the bounds of what is possible. The nodes'
/// times are not among them: gpu_limits measures them, and a kernel's start would replace them.
struct FittedCost {
    const char* name;
    double PlanCosts::*at;
    double least, most;
};
std::span<const FittedCost> fitted_costs();

/// How badly the constants predict the table: 0 if every row is met.
double misfit(const FitTable& table, const PlanCosts& costs);

/// Constants near `start` with the least misfit that a search by one and by two of them finds. What
/// no row depends on stays as it was.
PlanCosts fit_costs(const FitTable& table, const PlanCosts& start);

/// Does it all for the csv that `arguments` name, prints it, and returns the program's exit code.
int gpu_fit(std::span<const std::string> arguments);
