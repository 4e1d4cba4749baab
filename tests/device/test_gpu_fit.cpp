// test_gpu_fit.cpp: that constants of the model of GPU kernels are found again in times made by
// them, that a row is compared with the plan by which it was measured, and what is refused.
#include "bench/gpu_fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "tests/support/temporary_directory.h"

namespace {

constexpr GpuChip h100{132, 90};
const std::string head =
    "# device: a made one\n# capability: 90\n# multiprocessors: 132\n"
    "type,hidden,batch,what,contender,chosen,judged,median_us,q1_us,q3_us,repetitions,chain,"
    "tflops,error,bytes\n";

std::string row(const std::string& type, const StepShape& s, const std::string& what,
                const std::string& contender, double us, bool chosen = false) {
    std::ostringstream line;
    line << type << ',' << s.hidden << ',' << s.batch << ',' << what << ',' << contender << ','
         << chosen << ",1," << us << ",1,1,40,20,0,0,0\n";
    return line.str();
}

FitTable table_of(const std::string& csv) {
    std::istringstream in(csv);
    return read_fit_table(in, "made.csv");
}

/// Rows as gpu_bench writes them for its five shapes, and more heads, with times of 1 us.
FitTable all_rows() {
    std::string csv = head;
    for (const std::string way : {"fp32", "bf16x3", "fp64"}) {
        const std::string type = way == "fp64" ? "double" : "float";
        for (const StepShape& s :
             {StepShape{200, 24}, {100, 800}, {512, 256}, {1024, 1024}, {4096, 8192}}) {
            csv += row(type, s, "step", way, 1);
            for (const char* kernel : {" layer", " head", " descent", " gradient", " step"})
                csv += row(type, s, "kernel", way + kernel, 1);
            for (const std::string tile : {" small / ", " medium / ", " large / "})
                for (const int parts : {1, 2, 3, 5, 8, 16})
                    for (const char* what : {"layer", "gradient and step"})
                        csv += row(type, s, what, way + tile + std::to_string(parts), 1);
        }
        // Of the wide head, which five shapes of training do not tell enough about.
        for (const StepShape& s : {StepShape{2000, 24}, {2048, 800}, {1200, 8192}, {8192, 256}})
            csv += row(type, s, "kernel", way + " head", 1);
    }
    return table_of(csv);
}

TEST(GpuFit, GetsBackTheConstantsThatMadeATable) {
    PlanCosts now;
    now.shared_bf16x3 = 0.5;  // a share near 0 decides too little
    PlanCosts made = now;
    double factor = 0.7;
    for (const FittedCost& cost : fitted_costs()) {  // some larger, some smaller
        made.*cost.at = std::min(made.*cost.at * factor, cost.most);
        factor = 1.95 - factor;
    }
    FitTable table = all_rows();
    for (FitRow& row : table.rows) row.us = predicted_us(h100, made, row);
    for (std::size_t i = 0; i < table.rows.size(); i += 25)
        if (table.rows[i].one_of_plans) table.rows[i].us *= 2;  // odd ones among many

    const PlanCosts found = fit_costs(table, now);
    for (const FittedCost& cost : fitted_costs())
        EXPECT_NEAR(found.*cost.at / (made.*cost.at), 1, 0.05) << cost.name;
}

TEST(GpuFit, LeavesWhatNoRowDependsOn) {
    const StepShape few{2000, 24}, many{4096, 8192};
    const PlanCosts now;
    const FitTable table = table_of(head + row("float", few, "kernel", "fp32 head", 9) +
                                    row("float", many, "kernel", "fp32 head", 99));
    const PlanCosts found = fit_costs(table, now);
    EXPECT_LT(misfit(table, found), misfit(table, now));
    for (const FittedCost& cost : fitted_costs()) {
        if (std::string(cost.name).starts_with("head")) continue;
        EXPECT_EQ(found.*cost.at, now.*cost.at) << cost.name;
    }
}

TEST(GpuFit, LeavesConstantsThatPredictEveryRow) {
    FitTable table = all_rows();
    const PlanCosts now;
    for (FitRow& row : table.rows) row.us = predicted_us(h100, now, row);
    EXPECT_EQ(misfit(table, now), 0);
    const PlanCosts found = fit_costs(table, now);
    for (const FittedCost& cost : fitted_costs()) EXPECT_EQ(found.*cost.at, now.*cost.at);
}

TEST(GpuFit, ComparesAKernelWithThePlanByWhichItWasMeasured) {
    const StepShape s{100, 800};
    const FitTable table = table_of(
        "# plan of fp32 descent at (100,800): medium / 5\n# plan of fp32 layer at (100,800): "
        "large / 3\n" +
        head + row("float", s, "step", "fp32", 30) +
        row("float", s, "layer", "fp32 small / 4", 12, true) +
        row("float", s, "layer", "fp32 small / 2", 11) + row("float", s, "step", "bf16x3", 27) +
        row("float", s, "kernel", "fp32 descent", 12));
    ASSERT_EQ(table.rows.size(), 5u);
    EXPECT_EQ(table.rows[0].forward, (GemmPlan{GemmTile::small, 4})) << "the table's chosen row";
    EXPECT_EQ(table.rows[0].descent, (GemmPlan{GemmTile::medium, 5})) << "its note";
    EXPECT_EQ(table.rows[2].forward, (GemmPlan{GemmTile::small, 2}));
    EXPECT_EQ(table.rows[3].gradient,
              plan_of({h100, {}, 4}, FirstLayer::gradient, GemmBy::bf16x3, s))
        << "nothing said: the planner's";
}

TEST(GpuFit, SkipsWhatTheModelDoesNotDescribe) {
    const StepShape s{100, 800};
    const FitTable table = table_of(
        head + row("float", s, "step", "library fp32", 47) +
        row("float", s, "epoch", "bf16x3", 2000) + row("float", s, "ladder", "naive", 90) +
        row("float", s, "layer", "fp32 product alone", 20) +
        row("float", s, "layer", "cublas fp32", 11) + row("float", s, "kernel", "fp32 head", 5));
    ASSERT_EQ(table.rows.size(), 1u);
    EXPECT_EQ(table.rows[0].timed, Timed::head);
}

/// What gpu_fit says on stderr of a file with this text, after its exit code.
std::pair<int, std::string> refusal(const std::string& text) {
    const TemporaryDirectory directory;
    const std::string path = (directory.path / "made.csv").string();
    std::ofstream(path) << text;
    testing::internal::CaptureStderr();
    const int code = gpu_fit(std::vector{path});
    return {code, testing::internal::GetCapturedStderr()};
}

TEST(GpuFit, RefusesWhatIsNoTable) {
    const StepShape s{100, 800};
    const std::string good = row("float", s, "kernel", "fp32 head", 5);
    const struct {
        std::string text, said;
    } cases[] = {
        {"", "expected a row of a kernel, a step or a plan, found none"},
        {"a,b,c\n", "line 1: expected the heading of gpu_bench's table, found 'a,b,c'"},
        {head + "float,100,800\n", "line 5: expected 15 columns, found 3"},
        {head + row("float", s, "step", "fp32", -1), "line 5: expected a number above 0"},
        {head + row("float", s, "layer", "fp32 small / x", 1), "found 'x'"},
        {"# pixels: 36\n" + head + good, "line 1: expected 784 pixels, found '36'"},
        {head + row("float", s, "step", "fp32", 30), "expected a row of the kernel 'descent'"},
        {head.substr(head.find("type,")) + good, "expected lines '# capability: N'"}};
    for (const auto& [text, said] : cases) {
        const auto [code, line] = refusal(text);
        EXPECT_EQ(code, exit_bad_input) << text;
        EXPECT_NE(line.find(said), std::string::npos) << line;
        EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
    }
    EXPECT_EQ(gpu_fit(std::vector<std::string>{}), exit_bad_input);
    EXPECT_EQ(gpu_fit(std::vector<std::string>{"no-such-file.csv"}), exit_bad_input);
}

TEST(GpuFit, PrintsLinesOfTheStruct) {
    const TemporaryDirectory directory;
    const std::string path = (directory.path / "made.csv").string();
    std::ofstream(path) << head << row("float", {100, 800}, "kernel", "fp32 head", 2);
    testing::internal::CaptureStdout();
    EXPECT_EQ(gpu_fit(std::vector{path}), exit_ok);
    const std::string said = testing::internal::GetCapturedStdout();
    for (const FittedCost& cost : fitted_costs())
        EXPECT_NE(said.find("    double " + std::string(cost.name) + " = "), std::string::npos)
            << cost.name;
}

}  // namespace
