// case.cpp: draws a small network and its samples. They are small so that a step takes no time, and
// of sizes that no number of ranks divides.
#include "case.h"

#include <algorithm>

#include "base/random.h"
#include "model/initial.h"

namespace {

SampleSet random_images(const Layout& layout, int count, Rng& rng) {
    SampleSet set{1, layout.inputs(), layout.classes(), {}, {}};
    for (int j = 0; j < count; ++j) {
        set.labels.push_back(
            static_cast<std::uint8_t>(rng.below(static_cast<std::uint64_t>(layout.classes()))));
        for (int i = 0; i < layout.inputs(); ++i)
            set.pixels.push_back(static_cast<std::uint8_t>(rng.below(2) * rng.below(256)));
    }
    return set;
}

}  // namespace

GradedCase graded_case(std::uint64_t seed) {
    Rng rng(seed);
    const Layout layout({20, 9, 7, 5});
    Parameters<nn_real> initial = initial_parameters<nn_real>(layout, rng.bits(), 0);
    for (int l = 1; l <= layout.layers(); ++l)
        for (nn_real& bias : initial.bias(l)) bias = static_cast<nn_real>(0.5 * rng.normal());
    const Training training = {.batch = 11,
                               .epochs = 2,
                               .rate = 0.3 + 0.2 * rng.uniform(),
                               .decay = 0.75,
                               .shuffled = true,
                               .seed = rng.bits(),
                               .pixel_scale = nn_real{1} / nn_real{255}};
    SampleSet step_set = random_images(layout, training.batch, rng);
    SampleSet train_set = random_images(layout, 3 * training.batch + 7, rng);
    return {layout,   std::move(initial), std::move(step_set), std::move(train_set),
            training, 0.5 + rng.uniform()};
}
