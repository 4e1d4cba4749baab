// test_train_reduce.cpp: every way to sum gives each rank the sum of all ranks' parts, in its
// place.
#include "tests/support/train_fixture.h"

namespace {

/// What rank r lends: element i is i + 1000 r in step 0, and one more in each later step.
nn_real lent_value(int rank, std::size_t i, int step) {
    return static_cast<nn_real>(static_cast<int>(i) + 1000 * rank + step);
}
nn_real sum_of_all(std::size_t i, int step) {
    nn_real sum = 0;
    for (int r = 0; r < comm().size(); ++r) sum += lent_value(r, i, step);
    return sum;
}

/// Three steps of two parts each, after which every rank has to find all sums.
void expect_sums(Reducer& reducer, std::span<nn_real> gradient, std::span<nn_real> sums) {
    const std::size_t cut = 11;
    for (int step = 0; step < 3; ++step) {
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] = lent_value(comm().rank(), i, step);
        reducer.start({0, gradient.first(cut)});
        reducer.start({cut, gradient.subspan(cut)});
        for (int part = 0; part < 2; ++part) {
            const Sum sum = reducer.finish();
            EXPECT_GE(sum.first, part == 0 ? 0 : cut);
            EXPECT_LE(sum.first + sum.count, part == 0 ? cut : gradient.size());
            std::copy_n(sum.values, sum.count, &sums[sum.first]);
        }
        for (std::size_t i = 0; i < sums.size(); ++i)
            ASSERT_EQ(sums[i], sum_of_all(i, step)) << "element " << i << " of step " << step;
    }
}

constexpr std::size_t count = 37;

TEST(MpiReducer, small_parts_become_the_sums_on_every_rank) {
    std::vector<nn_real> gradient(count), sums(count);
    const auto reducer = make_mpi_reducer(comm().all_ranks());
    expect_sums(*reducer, gradient, sums);
}

TEST(MpiReducer, small_part_is_waited_for_before_it_is_summed) {
    expect_waited_for(*make_mpi_reducer(comm().all_ranks()));
}

class BothReductions : public Train {};
INSTANTIATE_TEST_SUITE_P(On, BothReductions, testing::ValuesIn(cpu_ways), name_of_way);

/// One replica of all ranks adds in the order of the samples; MPI adds a sum of each rank.
TEST_P(BothReductions, give_the_same_parameters_within_rounding) {
    if (comm().node_size() < comm().size()) GTEST_SKIP() << "the ranks are on several nodes";
    const Case c{{100, 70, 40, 10},
                 210,
                 {.batch = 96,
                  .epochs = 2,
                  .rate = 0.1,
                  .reg = 1e-3,
                  .shuffled = true,
                  .pixel_scale = unit_pixels}};
    const SampleSet set = random_set(c.sizes, c.images);
    Way by_mpi = GetParam(), as_one = GetParam();
    by_mpi.shared = false;
    as_one.shared = true;
    const auto one = trained(c, set, by_mpi), other = trained(c, set, as_one);
    Parameters<double> expected(one.layout);
    expected.values.assign(one.values.begin(), one.values.end());
    expect_same(other, expected, course_tolerance);
}

}  // namespace
