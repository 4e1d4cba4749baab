// test_train_overlap.cpp: sums that go on meanwhile are those of buckets one after another, each in
// its place, and what they hide is counted.
#include <thread>

#include "comm/running_sums.h"
#include "tests/support/trained_by.h"

namespace {

constexpr std::size_t counts[] = {300, 1, 0, 4000, 37, 37, 20000, 5};  ///< of parts
constexpr std::size_t number = sizeof(nn_real);
constexpr std::size_t bucket_sizes[] = {1, 38 * number, 4000 * number, std::size_t{1} << 30};

/// The parts' places: from the gradient's end to its beginning, or the other way.
std::vector<Part> places(bool from_the_end) {
    std::vector<Part> parts;
    std::size_t total = 0;
    for (const std::size_t count : counts) total += count;
    std::size_t at = from_the_end ? total : 0;
    for (const std::size_t count : counts) {
        if (from_the_end) at -= count;
        parts.push_back({at, count});
        if (!from_the_end) at += count;
    }
    return parts;
}

std::vector<nn_real> gradient_of(int rank, int step) {
    std::size_t total = 0;
    for (const std::size_t count : counts) total += count;
    Rng rng(static_cast<std::uint64_t>(100 * rank + step));
    std::vector<nn_real> values(total);
    for (nn_real& value : values) value = static_cast<nn_real>(rng.normal());
    return values;
}

/// The same buckets, one after another: a bucket ends where it has enough bytes.
std::vector<nn_real> model(int step, bool from_the_end, std::size_t bucket_bytes) {
    std::vector<nn_real> values = gradient_of(comm().rank(), step);
    RunningSums sums(comm().all_ranks());
    std::size_t first = 0, count = 0;
    const auto sum_up = [&] {
        if (count == 0) return;
        sums.start(std::span(values).subspan(first, count));
        sums.wait_for_oldest();
        count = 0;
    };
    for (const Part& part : places(from_the_end)) {
        first = count == 0 ? part.first : std::min(first, part.first);
        count += part.count;
        if (count * number >= bucket_bytes) sum_up();
    }
    sum_up();
    return values;
}

TEST(OverlappedReducer, has_the_bits_of_its_buckets_one_after_another) {
    for (const bool from_the_end : {true, false})
        for (const std::size_t bytes : bucket_sizes) {
            const auto reducer = make_overlapped_reducer(comm().all_ranks(), bytes);
            for (int step = 0; step < 3; ++step) {
                std::vector<nn_real> values = gradient_of(comm().rank(), step);
                const auto parts = places(from_the_end);
                for (const Part& p : parts)
                    reducer->start({p.first, std::span(values).subspan(p.first, p.count)});
                for (const Part& p : parts) {
                    const Sum sum = reducer->finish();
                    ASSERT_EQ(sum.first, p.first);
                    ASSERT_EQ(sum.count, p.count);
                    ASSERT_EQ(sum.values, values.data() + p.first);
                }
                ASSERT_EQ(values, model(step, from_the_end, bytes))
                    << "buckets of " << bytes << " bytes, step " << step;
            }
        }
}

/// A part is complete as soon as it is finished, also while later buckets are under way. Of two
/// ranks, there is one order of additions.
TEST(OverlappedReducer, finishes_a_part_with_the_sum_of_all_ranks) {
    std::vector<std::vector<nn_real>> all;
    for (int r = 0; r < comm().size(); ++r) all.push_back(gradient_of(r, 0));
    const auto reducer = make_overlapped_reducer(comm().all_ranks(), 1);
    std::vector<nn_real> values = all[static_cast<std::size_t>(comm().rank())];
    for (const Part& p : places(true))
        reducer->start({p.first, std::span(values).subspan(p.first, p.count)});
    for (std::size_t part = 0; part < std::size(counts); ++part) {
        const Sum sum = reducer->finish();
        for (std::size_t i = 0; i < sum.count; ++i) {
            double exact = 0, sizes = 0;
            for (const auto& gradient : all) {
                exact += static_cast<double>(gradient[sum.first + i]);
                sizes += std::abs(static_cast<double>(gradient[sum.first + i]));
            }
            // p - 1 additions, each of which rounds a number of at most `sizes`.
            const double bound = comm().size() * sizes *
                                 static_cast<double>(std::numeric_limits<nn_real>::epsilon());
            ASSERT_NEAR(static_cast<double>(sum.values[i]), exact, bound)
                << "part " << part << ", element " << i;
            if (comm().size() == 2) {
                ASSERT_EQ(sum.values[i], all[0][sum.first + i] + all[1][sum.first + i]);
            }
        }
    }
}

TEST(OverlappedReducer, waits_for_a_part_before_it_is_summed) {
    expect_waited_for(*make_overlapped_reducer(comm().all_ranks(), 1));
}

TEST(OverlappedReducer, gives_the_gradients_bytes_once) {
    const auto reducer = make_overlapped_reducer(comm().all_ranks(), 100);
    std::vector<nn_real> values(500, 1);
    reducer->start({300, std::span(values).subspan(300)});
    reducer->start({0, std::span(values).first(300)});
    reducer->finish();
    reducer->finish();
    EXPECT_EQ(reducer->bytes_given(), values.size() * number);
}

/// What a rank does between the start of a sum and the next call, it does while the sum goes on.
TEST(OverlappedReducer, counts_as_hidden_what_is_done_meanwhile) {
    constexpr double meanwhile = 0.05;
    const auto reducer = make_overlapped_reducer(comm().all_ranks(), 1);
    EXPECT_EQ(reducer->times().under_way, 0);
    std::vector<nn_real> values(1000000, 1);
    reducer->start({0, values});
    std::this_thread::sleep_for(std::chrono::duration<double>(meanwhile));
    reducer->finish();
    const SumTimes times = reducer->times();
    EXPECT_LE(times.spent, times.under_way);
    if (comm().size() > 1) {
        EXPECT_GE(times.under_way - times.spent, meanwhile);
    }
}

/// And not what it waits for: rank 0 is late each time, and the others do nothing meanwhile.
TEST(OverlappedReducer, does_not_count_as_hidden_what_it_waits_for) {
    if (comm().size() == 1) GTEST_SKIP() << "one rank waits for nobody";
    const auto reducer = make_overlapped_reducer(comm().all_ranks(), 1);
    std::vector<nn_real> values(10, 1);
    for (int step = 0; step < 20; ++step) {
        if (comm().is_root()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        reducer->start({0, values});
        reducer->finish();
    }
    if (!comm().is_root()) {
        EXPECT_LT(reducer->times().hidden_share(), 0.5);
    }
}

TEST(OverlappedReducer, trains_as_the_reference_and_twice_to_the_same_bits) {
    if (comm().size() == 1) GTEST_SKIP() << "one rank has nothing to sum";
    Case c = small_case(26, 9);
    c.sizes = {200, 128, 64, 10};  // two parts
    const SampleSet set = random_set(c.sizes, c.images);
    NeuralNetwork reference(initial_of(c));
    reference.train(set, c.training);
    for (const std::size_t bytes : {std::size_t{1}, default_bucket_bytes}) {
        DeviceRequest asked;
        asked.allreduce = AllreduceKind::overlap;
        asked.bucket_bytes = bytes;
        const Parameters<nn_real> values = trained_by(asked, c, set);
        expect_same(values, reference.parameters(), course_tolerance);
        EXPECT_EQ(trained_by(asked, c, set).values, values.values) << bytes;
    }
}

}  // namespace
