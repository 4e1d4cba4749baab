// test_train_slices.cpp: gradient accumulation gives the update of the whole mini-batch, in every
// way to train.
#include "tests/support/train_fixture.h"

namespace {

class Slices : public Train {};
INSTANTIATE_TEST_SUITE_P(On, Slices, testing::ValuesIn(every_way), name_of_way);

TEST_P(Slices, small_give_the_references_parameters_at_any_size) {
    Case c = small_case(26, 9);  // the last mini-batch has eight
    const SampleSet set = random_set(c.sizes, c.images);
    const Parameters<double> right = reference(c, set);
    for (const int slice : {1, 3, 9}) {
        SCOPED_TRACE("slices of " + std::to_string(slice));
        c.slice = slice;
        for (const FeedKind feed : {FeedKind::resident, FeedKind::scattered}) {
            c.feed = feed;
            expect_same(trained(c, set), right, course_tolerance);
        }
    }
}

TEST_P(Slices, small_keep_moments_and_give_the_same_bits_twice) {
    Case c = small_case(26, 9);
    c.training.rule = Adam{};
    c.training.rate = 0.01;
    c.slice = 3;
    const SampleSet set = random_set(c.sizes, c.images);
    const auto first = trained(c, set);
    expect_same(first, reference(c, set), course_tolerance);
    EXPECT_EQ(trained(c, set).values, first.values);
}

}  // namespace
