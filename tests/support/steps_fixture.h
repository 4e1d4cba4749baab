// steps_fixture.h: what a comparison of every step with the reference's finds.
#pragma once
#include "tests/support/train_fixture.h"
#include "train/step_check.h"

class CheckedSteps : public Train {
  protected:
    /// What a check of all steps finds, on rank 0.
    StepCheck checked(DataParallelNeuralNetwork& network, const SampleSet& set,
                      const Training& training) {
        std::size_t told = 0, all = 0;
        StepCheck check(network, set, training, {}, [&](std::size_t done, std::size_t of) {
            EXPECT_EQ(done, ++told);
            all = of;
        });
        network.train(set, training, &check);
        EXPECT_EQ(told, all);
        return check;
    }
    static std::string text(const StepVerdict& v) {
        return v.difference.name + " in step " + std::to_string(v.epoch) + ":" +
               std::to_string(v.step) + " is off by " + std::to_string(v.ratio()) + " of its bound";
    }
    /// Every step of the case is right; the tensor that came nearest to its bound is told.
    void expect_right(const Case& c, const Parameters<nn_real>& initial, const SampleSet& set) {
        auto network = make_network(initial, c, set);
        const StepCheck check = checked(network, set, c.training);
        if (!comm().is_root()) return;
        const auto batches =
            (static_cast<std::size_t>(c.images) + static_cast<std::size_t>(c.training.batch) - 1) /
            static_cast<std::size_t>(c.training.batch);
        EXPECT_EQ(static_cast<std::size_t>(check.steps()),
                  batches * static_cast<std::size_t>(c.training.epochs));
        EXPECT_TRUE(check.first_wrong().right()) << text(check.first_wrong());
        for (const StepVerdict& worst : check.worst()) EXPECT_TRUE(worst.right()) << text(worst);
    }
};
