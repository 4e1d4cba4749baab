// test_train_optimizers.cpp: every rule of the updates against the serial reference, step by step,
// in every way to train; and what a mistake in a rule does.
#include "tests/support/steps_fixture.h"

namespace {

class Optimizers : public CheckedSteps {
  protected:
    /// check(case) for every rule that keeps moments.
    template <class Check>
    static void for_every_rule(Case c, const Check& check) {
        for (const auto& [rule, name] : Names<Rule>::all) {
            if (moments_of(rule) == 0) continue;
            SCOPED_TRACE(name);
            c.training.rule = rule;
            c.training.rate = rate_for(rule, 0.5, 0.9);
            check(c);
        }
    }
};
INSTANTIATE_TEST_SUITE_P(On, Optimizers, testing::ValuesIn(every_way), name_of_way);

TEST_P(Optimizers, small_steps_and_their_moments_are_within_rounding) {
    Case two_hidden = small_case(15, 7);  // the last batch is of one
    two_hidden.sizes = {30, 19, 5, 3};
    for_every_rule(two_hidden, [&](const Case& c) {
        expect_right(c, initial_of(c), random_set(c.sizes, c.images));
    });
}
TEST_P(Optimizers, small_large_penalties_go_where_the_rule_says) {
    Case c = small_case(16, 8);
    c.training.reg = 0.7;
    for_every_rule(c, [&](const Case& of) {
        expect_right(of, initial_of(of), random_set(of.sizes, of.images));
    });
}
TEST_P(Optimizers, small_trainings_give_the_same_bits_twice_and_by_both_feeds) {
    for_every_rule(small_case(20, 9), [&](Case c) {
        const SampleSet set = random_set(c.sizes, c.images);
        const auto first = trained(c, set);
        EXPECT_EQ(trained(c, set).values, first.values);
        c.feed = FeedKind::scattered;
        EXPECT_EQ(trained(c, set).values, first.values) << "scattered every step";
    });
}
TEST_P(Optimizers, small_trainings_go_on_from_parameters_and_moments_alone) {
    for_every_rule(small_case(20, 9), [&](const Case& c) {
        const SampleSet set = random_set(c.sizes, c.images);
        auto first = make_network(initial_of(c), c, set),
             second = make_network(initial_of(c), c, set);
        Case half = c;
        half.training.epochs = 1;
        first.train(set, half.training, nullptr);
        second.restart(first.parameters(), first.moments());
        second.train(set, c.training, nullptr, {1, 0, 0});
        EXPECT_EQ(second.parameters().values, trained(c, set).values);
    });
}
TEST_P(Optimizers, small_schedules_within_an_epoch_are_the_references) {
    Case c = small_case(20, 4);
    for (const auto& [schedule, name] : Names<ScheduleKind>::all) {
        SCOPED_TRACE(name);
        c.training.schedule = schedule;
        c.training.warmup = 3;
        expect_right(c, initial_of(c), random_set(c.sizes, c.images));
        expect_reference(c);
    }
}

/// Steps whose update is changed, or that lose their moments.
class Mistaken : public Strategy {
  public:
    Mistaken(void (*change)(Update&), bool forgets) : change_(change), forgets_(forgets) {}
    void step(DataParallelNeuralNetwork& network, const Batch& batch,
              const Update& update) override {
        network.load(batch);
        network.forward();
        network.backward();
        Update wrong = update;
        change_(wrong);
        network.update(wrong);
        if (forgets_) network.restart(network.parameters());
    }

  private:
    void (*change_)(Update&);
    bool forgets_;
};

class OptimizerMistakes : public CheckedSteps {
  protected:
    /// The first tensor beyond its bound, on rank 0.
    StepVerdict found(const Rule& rule, void (*change)(Update&), bool forgets = false) {
        Case c = small_case(24, 8, 1);
        c.training.rule = rule;
        const SampleSet set = random_set(c.sizes, c.images);
        const ReplicaShape shape{.layout = Layout(c.sizes),
                                 .capacity = c.training.batch,
                                 .pixel_scale = unit_pixels,
                                 .moments = moments_of(rule)};
        DataParallelNeuralNetwork network(
            comm(), make_cpu_replica(shape, cpu_settings(GetParam(), shape)), initial_of(c),
            {mpi_reducer(), FeedKind::resident, std::make_unique<Mistaken>(change, forgets)});
        return checked(network, set, c.training).first_wrong();
    }
    void expect_found(const StepVerdict& wrong, const std::string& where) {
        if (!comm().is_root()) return;
        EXPECT_EQ(text(wrong).find(where), 0u) << text(wrong);
    }
};
INSTANTIATE_TEST_SUITE_P(On, OptimizerMistakes, testing::ValuesIn(std::span(cpu_ways).first<1>()),
                         name_of_way);

TEST_P(OptimizerMistakes, small_corrections_of_adam_that_are_left_out_are_seen_in_the_first_step) {
    expect_found(found(Adam{}, [](Update& u) { u.first = u.second = 1; }), "W1 in step 1:1");
}
TEST_P(OptimizerMistakes, small_velocities_that_are_forgotten_are_seen_in_the_first_step) {
    expect_found(found(
                     Momentum{}, [](Update&) {}, true),
                 "velocity of W1 in step 1:1");
}
TEST_P(OptimizerMistakes, small_momentum_in_place_of_nesterovs_is_seen) {
    expect_found(found(Nesterov{}, [](Update& u) { u.rule = Momentum{}; }), "W1 in step 1:1");
}
TEST_P(OptimizerMistakes, small_penalties_in_the_gradient_of_adamw_are_seen) {
    expect_found(found(AdamW{}, [](Update& u) { u.rule = Adam{}; }), "W1 in step 1:1");
}
TEST_P(OptimizerMistakes, small_rules_without_a_mistake_are_right) {
    for (const auto& [rule, name] : Names<Rule>::all) {
        const StepVerdict verdict = found(rule, [](Update&) {});
        EXPECT_TRUE(verdict.right()) << name << ": " << text(verdict);
    }
}

}  // namespace
