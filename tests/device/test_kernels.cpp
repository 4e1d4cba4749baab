// test_kernels.cpp: what the kernels that move and add promise in kernels.h, stated and held to
// it.
//
// g++ builds this against tests/gpuhost, nvcc for real GPUs; where there is none, every test is
// skipped. All arrays lie between guards, outputs start as NaN, and every tolerance is derived here
// or in tests/support. Results that have to be reproducible are compared bit for bit, in other
// orders of the threads where the kernel runner can change it.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/kernel_fixture.h"

namespace {

TEST_F(Kernels, TheChipIsTheDevices) {
    cudaDeviceProp properties;
    GPU_CHECK(cudaGetDeviceProperties(&properties, 0));
    EXPECT_EQ(gpu.chip.multiprocessors, properties.multiProcessorCount);
    EXPECT_EQ(gpu.chip.capability, 10 * properties.major + properties.minor);
    EXPECT_GT(gpu.chip.multiprocessors, 0);
}

// ---- The step, and sums of parts ---------------------------------------------------------------

/// A run as a test describes it; its parts lie `gap` elements apart.
struct RunShape {
    std::size_t count, penalised;
    int parts;
    std::size_t gap = 3;
    std::size_t stride() const { return count + gap; }
};

/// All runs' parts, on the device, each run behind the one before in the flat array, with one
/// element between them that belongs to no run.
struct PartsOnDevice {
    std::vector<RunShape> shapes;
    std::vector<Reals> values;
    std::vector<std::unique_ptr<OnDevice<nn_real>>> memory;
    std::vector<Parts> runs;
    std::size_t total = 1;

    template <class Make>
    PartsOnDevice(std::vector<RunShape> given, Make make) : shapes(std::move(given)) {
        for (const RunShape& run : shapes) {
            Reals x = poison<nn_real>(run.stride() * static_cast<std::size_t>(run.parts));
            for (std::size_t s = 0; s < static_cast<std::size_t>(run.parts); ++s) {
                const Reals part = make(run.count);
                std::copy(part.begin(), part.end(),
                          x.begin() + static_cast<std::ptrdiff_t>(s * run.stride()));
            }
            values.push_back(x);
            memory.push_back(std::make_unique<OnDevice<nn_real>>("parts", x));
            runs.push_back(
                {total, run.count, run.penalised, memory.back()->data(), run.stride(), run.parts});
            total += run.count + 1;
        }
    }

    /// `before`, with `element` applied to each of a run's elements: to its value and bound, from
    /// the sum of its parts, which has an addition less than parts.
    template <class Element>
    Expected expected(const Reals& before, Element element) const {
        Expected all;
        for (const nn_real value : before) all.add(value, 0);  // between runs, nothing changes
        for (std::size_t r = 0; r < runs.size(); ++r)
            for (std::size_t i = 0; i < runs[r].count; ++i) {
                Wide sum = 0, size = 0;
                for (std::size_t s = 0; s < static_cast<std::size_t>(runs[r].parts); ++s) {
                    sum += values[r][s * runs[r].stride + i];
                    size += std::abs(static_cast<Wide>(values[r][s * runs[r].stride + i]));
                }
                const std::size_t at = runs[r].first + i;
                const Wide sum_error = u * static_cast<Wide>(runs[r].parts - 1) * size;
                element(all.values[at], all.bounds[at], sum, sum_error, i < runs[r].penalised);
            }
        return all;
    }
};

/// Every number of parts from one to a head's, elements around the sizes of blocks, and weights
/// that end inside a run, with it and before it.
std::vector<RunShape> some_runs() {
    return {{1000, 990, 1}, {257, 256, 3}, {256, 256, 8}, {33, 30, 9},  {31, 0, 132},
            {100, 90, 132}, {0, 0, 5},     {1, 1, 512},   {64, 32, 511}};
}
/// More than one launch takes.
std::vector<RunShape> many_runs() {
    std::vector<RunShape> runs;
    for (std::size_t i = 0; i < 19; ++i)
        runs.push_back({10 + 37 * i, 5 + 30 * i, static_cast<int>(1 + 4 * (i % 4))});
    return runs;
}

/// UpdateNumbers are four of them, without gaps.
const UpdateNumbers* numbers_at(const OnDevice<nn_real>& numbers) {
    static_assert(sizeof(UpdateNumbers) == 4 * sizeof(nn_real));
    return reinterpret_cast<const UpdateNumbers*>(numbers.data());
}

Reals step(const PartsOnDevice& parts, nn_real rate, nn_real reg, const Reals& before) {
    const OnDevice<nn_real> numbers("numbers", {rate, reg, 1, 1});
    OnDevice<nn_real> p("p", before);
    gpu_update(gpu, parts.runs, Sgd{}, numbers_at(numbers), p.output(), 0);
    return p.values();
}

Reals sums(const PartsOnDevice& parts) {
    OnDevice<nn_real> gradient("gradient", Reals(parts.total, nn_real{-7}));
    gpu_add_parts(gpu, parts.runs, gradient.output());
    return gradient.values();
}

TEST_F(Kernels, StepFollowsTheGradientAndThePenalty) {
    check_step<DeviceMemory>(
        [](std::size_t count, nn_real rate, nn_real reg, const nn_real* gradient, nn_real* p) {
            const Parts run{0, count, count, gradient, 0, 1};
            const OnDevice<nn_real> numbers("numbers", {rate, reg, 1, 1});
            gpu_update(gpu, {&run, 1}, Sgd{}, numbers_at(numbers), p, 0);
            GPU_CHECK(cudaStreamSynchronize(gpu.stream));  // before the numbers go
        });
}

TEST_F(Kernels, StepAddsThePartsOfEveryRunAndPullsItsWeightsAlone) {
    Rng rng(52);
    const nn_real rate = static_cast<nn_real>(0.03), reg = static_cast<nn_real>(3.7);
    for (const auto& shapes : {some_runs(), many_runs()}) {
        SCOPED_TRACE(std::to_string(shapes.size()) + " runs");
        const PartsOnDevice parts(shapes, [&](std::size_t n) { return normal_values(n, rng); });
        const Reals before = normal_values(parts.total, rng);
        const Expected expected = parts.expected(
            before, [&](Wide& value, Wide& bound, Wide sum, Wide sum_error, bool penalised) {
                const Wide decay = penalised ? static_cast<Wide>(rate) * reg * value : 0;
                const Wide slide = rate * sum;
                value -= slide + decay;
                bound = slack * (rate * sum_error + u * (3 * std::abs(decay) + 2 * std::abs(slide) +
                                                         std::abs(value))) +
                        tiny;
            });
        EXPECT_TRUE(within("p", step(parts, rate, reg, before), expected));
    }
}

TEST_F(Kernels, StepAndSumsAreExactOnSmallIntegers) {
    Rng rng(53);
    for (const auto& shapes : {some_runs(), many_runs()}) {
        const PartsOnDevice parts(shapes, [&](std::size_t n) { return small_integers(n, rng); });
        const Reals before = small_integers(parts.total, rng);
        EXPECT_TRUE(
            within("p", step(parts, 2, 3, before),
                   parts.expected(before, [](Wide& value, Wide&, Wide sum, Wide, bool penalised) {
                       value -= 2 * (sum + (penalised ? 3 * value : 0));
                   })));
        EXPECT_TRUE(
            within("gradient", sums(parts),
                   parts.expected(Reals(parts.total, nn_real{-7}),
                                  [](Wide& value, Wide&, Wide sum, Wide, bool) { value = sum; })));
    }
}

TEST_F(Kernels, AddPartsSumsThePartsOfEveryRun) {
    Rng rng(54);
    for (const auto& shapes : {some_runs(), many_runs()}) {
        const PartsOnDevice parts(shapes, [&](std::size_t n) { return normal_values(n, rng); });
        EXPECT_TRUE(
            within("gradient", sums(parts),
                   parts.expected(Reals(parts.total, nn_real{-7}),
                                  [](Wide& value, Wide& bound, Wide sum, Wide sum_error, bool) {
                                      value = sum;
                                      bound = slack * sum_error;
                                  })));
    }
}

TEST_F(Kernels, StepAndSumsGiveTheSameBitsInEveryOrder) {
    Rng rng(55);
    const PartsOnDevice parts(some_runs(), [&](std::size_t n) { return normal_values(n, rng); });
    const Reals before = normal_values(parts.total, rng);
    const nn_real rate = static_cast<nn_real>(0.03);
    const Reals first_p = step(parts, rate, 1, before), first_sums = sums(parts);
    in_every_order([&](const std::string& order) {
        SCOPED_TRACE(order);
        EXPECT_TRUE(same_bits("p", step(parts, rate, 1, before), first_p));
        EXPECT_TRUE(same_bits("gradient", sums(parts), first_sums));
    });
}

TEST_F(Kernels, StepAndSumsOfNoRunsChangeNothing) {
    const PartsOnDevice none({}, [](std::size_t n) { return Reals(n); });
    EXPECT_EQ(step(none, 1, 1, {5}), Reals{5});
    EXPECT_EQ(sums(none), Reals{-7});
}

TEST_F(Kernels, OneNaNInOnePartReachesItsElementAlone) {
    Rng rng(56);
    for (const int count : {1, 8, 9, 132}) {
        SCOPED_TRACE(std::to_string(count) + " parts");
        int calls = 0;
        const PartsOnDevice parts({{40, 40, count}}, [&](std::size_t n) {
            Reals x = normal_values(n, rng);
            if (++calls == count) x[17] = nan_real;
            return x;
        });
        const Reals p = step(parts, 1, 0, Reals(parts.total, nn_real{1}));
        for (std::size_t i = 0; i < p.size(); ++i)
            EXPECT_EQ(std::isnan(p[i]), i == parts.runs[0].first + 17) << "p[" << i << "]";
    }
}

// ---- Gathering ---------------------------------------------------------------------------------

/// The set's samples' inputs and targets in bytes. shift: how many bytes the arrays of inputs begin
/// behind a multiple of 16.
void check_gather(const std::array<std::size_t, 2>& bytes, const Bytes& inputs,
                  const Bytes& targets, const std::vector<std::uint32_t>& samples,
                  std::size_t shift_in, std::size_t shift_out) {
    const auto [input_bytes, target_bytes] = bytes;
    SCOPED_TRACE(std::to_string(input_bytes) + " and " + std::to_string(target_bytes) + " bytes, " +
                 std::to_string(samples.size()) + " samples, moved by " + std::to_string(shift_in) +
                 " and " + std::to_string(shift_out));
    Bytes expected, expected_targets;
    const auto add = [](Bytes& to, const Bytes& from, std::size_t size, std::size_t s) {
        const auto sample = from.begin() + static_cast<std::ptrdiff_t>(size * s);
        to.insert(to.end(), sample, sample + static_cast<std::ptrdiff_t>(size));
    };
    for (const std::uint32_t s : samples) {
        add(expected, inputs, input_bytes, s);
        add(expected_targets, targets, target_bytes, s);
    }
    const OnDevice<std::uint8_t> from("inputs", inputs, shift_in), targets_in("targets", targets);
    const OnDevice<std::uint32_t> order("samples", samples);
    OnDevice<std::uint8_t> to("inputs_out", poison<std::uint8_t>(expected.size()), shift_out);
    OnDevice<std::uint8_t> targets_out("targets_out",
                                       poison<std::uint8_t>(expected_targets.size()));
    gpu_gather(gpu, input_bytes, target_bytes, static_cast<int>(samples.size()), order.data(),
               from.data(), targets_in.data(), to.output(), targets_out.output());
    EXPECT_TRUE(same_bits("inputs_out", to.values(), expected));
    EXPECT_TRUE(same_bits("targets_out", targets_out.values(), expected_targets));
}

/// A label is one byte; 4, 80 and 1200 are one number, ten and three hundred.
TEST_F(Kernels, GatherCopiesTheSamplesAskedFor) {
    Rng rng(71);
    std::size_t turn = 0;
    for (const std::size_t input_bytes : {1, 9, 16, 784, 1040})
        for (const std::uint32_t count : {1u, 3u, 17u})
            for (const auto& [shift_in, shift_out] : {std::pair{0, 0}, {1, 0}, {0, 1}}) {
                const std::size_t target_bytes =
                    std::array<std::size_t, 4>{1, 4, 80, 1200}[turn++ % 4];
                const Bytes inputs = random_bytes(input_bytes * count, rng);
                const Bytes targets = random_bytes(target_bytes * count, rng);
                const auto check = [&, in = shift_in,
                                    out = shift_out](const std::vector<std::uint32_t>& samples) {
                    check_gather({input_bytes, target_bytes}, inputs, targets, samples,
                                 static_cast<std::size_t>(in), static_cast<std::size_t>(out));
                };
                std::vector<std::uint32_t> samples(count);
                std::iota(samples.begin(), samples.end(), 0u);
                shuffle(samples, rng);
                check(samples);
                check({count - 1, 0, count - 1, count / 2, count / 2});
                check({});
            }
}

// ---- Sums of squares ---------------------------------------------------------------------------

/// gpu_sum_of_squares as the checks call it; its slots start as NaN.
double sum_of_squares(std::size_t count, const nn_real* values) {
    OnDevice<double> partial("partial", poison<double>(gpu_square_slots));
    gpu_sum_of_squares(gpu, count, values, partial.output());
    const std::vector<double> slots = partial.values();
    return std::accumulate(slots.begin(), slots.end(), 0.0);
}

TEST_F(Kernels, SumOfSquaresIsRightForEveryCount) {
    check_sum_of_squares<DeviceMemory>(sum_of_squares);
}

TEST_F(Kernels, SumOfSquaresGivesTheSameBitsInEveryOrder) {
    Rng rng(62);
    const OnDevice<nn_real> values("values", normal_values(40000, rng));
    std::vector<double> sums;
    in_every_order(
        [&](const std::string&) { sums.push_back(sum_of_squares(40000, values.data())); });
    EXPECT_TRUE(same_bits("sum in each order", sums, std::vector<double>(sums.size(), sums[0])));
}

}  // namespace
