// test_train_ring_tree.cpp: sums by hand have the bits of a serial model of their order, on every
// rank.
#include "tests/support/trained_by.h"

namespace {

std::vector<nn_real> gradient_of(int rank, std::size_t count) {
    Rng rng(static_cast<std::uint64_t>(rank) + 1);
    std::vector<nn_real> values(count);
    for (nn_real& value : values) value = static_cast<nn_real>(rng.normal());
    return values;
}
std::vector<std::vector<nn_real>> gradients_of_all(std::size_t count) {
    std::vector<std::vector<nn_real>> all;
    for (int r = 0; r < comm().size(); ++r) all.push_back(gradient_of(r, count));
    return all;
}

/// Chunk c is added from rank c on, round the ring.
std::vector<nn_real> ring_model(std::size_t count) {
    const auto all = gradients_of_all(count);
    std::vector<nn_real> sums(count);
    for (std::size_t c = 0; c < all.size(); ++c)
        for (std::size_t i = c * count / all.size(); i < (c + 1) * count / all.size(); ++i) {
            sums[i] = all[c][i];
            for (std::size_t r = 1; r < all.size(); ++r) sums[i] += all[(c + r) % all.size()][i];
        }
    return sums;
}
/// Neighbours are added, then neighbours of these sums, and so on.
std::vector<nn_real> tree_model(std::size_t count) {
    auto all = gradients_of_all(count);
    for (std::size_t apart = 1; apart < all.size(); apart *= 2)
        for (std::size_t r = 0; r + apart < all.size(); r += 2 * apart)
            for (std::size_t i = 0; i < count; ++i) all[r][i] += all[r + apart][i];
    return all.front();
}

/// Several steps of two parts each, so that messages of one sum must not meet those of another.
void expect_bits(Reducer& reducer, std::vector<nn_real> (*model)(std::size_t)) {
    for (const std::size_t count : {0u, 1u, 3u, 37u, 1000u, 70000u}) {
        std::vector<nn_real> first = gradient_of(comm().rank(), count), second = first;
        reducer.start({0, first});
        reducer.start({count, second});
        const std::vector<nn_real> expected = model(count);
        for (const std::size_t place : {std::size_t{0}, count}) {
            const Sum sum = reducer.finish();
            ASSERT_EQ(sum.first, place);
            ASSERT_EQ(std::vector(sum.values, sum.values + sum.count), expected)
                << "a part of " << count << " on rank " << comm().rank();
        }
    }
}

TEST(RingReducer, has_the_bits_of_its_order_on_every_rank) {
    expect_bits(*make_ring_reducer(comm().all_ranks()), ring_model);
}

TEST(TreeReducer, has_the_bits_of_its_order_on_every_rank) {
    expect_bits(*make_tree_reducer(comm().all_ranks()), tree_model);
}

/// Together the ranks send 2 (p - 1) parts, however many messages that takes.
TEST(RingAndTree, count_the_bytes_that_they_send) {
    constexpr std::size_t count = 1000;
    for (const auto make : {make_ring_reducer, make_tree_reducer}) {
        const auto reducer = make(comm().all_ranks());
        for (int step = 0; step < 2; ++step) {
            std::vector<nn_real> values(count, 1);
            reducer->start({0, values});
            reducer->finish();
        }
        EXPECT_EQ(comm().sum(static_cast<double>(reducer->bytes_given())),
                  2.0 * 2 * (comm().size() - 1) * count * sizeof(nn_real));
    }
}

TEST(RingAndTree, train_as_the_reference_and_twice_to_the_same_bits) {
    if (comm().size() == 1) GTEST_SKIP() << "one rank has nothing to sum";
    const Case c = small_case(26, 9);
    const SampleSet set = random_set(c.sizes, c.images);
    NeuralNetwork reference(initial_of(c));
    reference.train(set, c.training);
    for (const AllreduceKind kind : {AllreduceKind::ring, AllreduceKind::tree}) {
        DeviceRequest asked;
        asked.allreduce = kind;
        const Parameters<nn_real> values = trained_by(asked, c, set);
        expect_same(values, reference.parameters(), course_tolerance);
        EXPECT_EQ(trained_by(asked, c, set).values, values.values) << name_of(kind);
    }
}

}  // namespace
