// test_kernels_descent.cpp: the last product of a step with the update of all parameters.
//
// It is held to the bits of the two kernels that do the same one after the other.
#include "tests/support/gradient_inputs.h"

namespace {

/// Where a descent's parameters lie: a run of three parts, [W|b], and a run of twelve.
struct DescentMemory {
    explicit DescentMemory(const GradientInputs& in, Rng& rng)
        : size(elements(in.m, in.k + 1)),
          few("few parts", normal_values(3 * 37, rng)),
          many("many parts", normal_values(12 * 70, rng)),
          numbers("numbers", {static_cast<nn_real>(0.3), static_cast<nn_real>(0.7), 1, 1}),
          before(normal_values(37 + size + 70, rng)),
          others{{0, 37, 30, few.data(), 37, 3}, {37 + size, 70, 60, many.data(), 70, 12}} {}

    const UpdateNumbers* now() const {
        return reinterpret_cast<const UpdateNumbers*>(numbers.data());
    }
    std::size_t size;  ///< of [W|b]
    OnDevice<nn_real> few, many, numbers;
    Reals before;
    std::vector<Parts> others;
};

Reals run_descent(GemmBy by, GemmPlan plan, const GradientInputs& in, const DescentMemory& there) {
    const OnDevice<nn_real> delta("delta", in.delta), activations("A_in", in.activations);
    const OnDevice<std::uint8_t> pixels("pixels", in.pixels);
    OnDevice<nn_real> p("p", there.before);
    JointOnDevice joint(by, plan, in.m, in.k + 1);
    DigitsOnDevice digits(by, in.m, in.k + 1, in.n);
    gpu_gradient_and_descent(
        gpu, by, in.m, in.n, in.k, delta.data(),
        in.activations.empty() ? input_of(pixels.data(), scale) : input_of(activations.data()),
        there.now(), p.output(), 37, there.others, plan, joint.get(), digits.get());
    return p.values();
}
/// By a gradient in parts, and an update of all runs.
Reals run_in_two_kernels(GemmBy by, GemmPlan plan, const GradientInputs& in,
                         const DescentMemory& there) {
    const OnDevice<nn_real> parts("parts", run_parts(by, plan, in, in.k + 1, 3));
    OnDevice<nn_real> p("p", there.before);
    std::vector<Parts> runs = there.others;
    runs.push_back({37, there.size, elements(in.m, in.k), parts.data(), there.size + 3,
                    gradient_parts(by, plan)});
    gpu_update(gpu, runs, Sgd{}, there.now(), p.output(), 0);
    return p.values();
}

void check_descent(int m, int n, int depth) {
    Rng rng(25);
    for (const bool of_pixels : {true, false}) {
        const GradientInputs in = random_gradient(m, n, depth, of_pixels, rng);
        const DescentMemory there(in, rng);
        in_every_way([&](GemmBy by, GemmTile tile, const std::string& what) {
            if (!of_pixels && by != GemmBy::fma) return;
            for (const int splits : {1, 3}) {
                SCOPED_TRACE(in.text() + ", " + what + ", " + std::to_string(splits));
                const Reals expected = run_in_two_kernels(by, {tile, splits}, in, there);
                in_every_order([&](const std::string& order) {
                    SCOPED_TRACE(order);
                    EXPECT_TRUE(
                        same_bits("p", run_descent(by, {tile, splits}, in, there), expected));
                });
            }
        });
    }
}

TEST_F(Kernels, DescentBesideTheGradientHasTheBitsOfBothAlone) { check_descent(33, 37, 17); }

TEST_F(Kernels, DescentOfManyTilesOrOfNothingHasThemToo) {
    check_descent(132, 148, 36);
    check_descent(5, 0, 3);
}

}  // namespace
