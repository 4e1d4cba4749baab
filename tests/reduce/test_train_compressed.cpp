// test_train_compressed.cpp: what is sent and what is kept, against a serial model of all ranks.
#include "tests/support/codec_model.h"
#include "tests/support/trained_by.h"
#include "train/residuals.h"

namespace {

constexpr const char* codecs[] = {"bf16", "int8", "topk:0.1", "sign"};

std::vector<nn_real> gradient_of(int rank, int step, std::size_t count) {
    Rng rng(static_cast<std::uint64_t>(100 * rank + step));
    std::vector<nn_real> values(count);
    for (nn_real& value : values) value = static_cast<nn_real>(rng.normal());
    return values;
}

/// All ranks in one process: a part of the gradient, and each rank's residual.
struct Model {
    std::string codec;
    std::vector<std::vector<nn_real>> residuals;

    Model(std::string name, std::size_t count)
        : codec(std::move(name)),
          residuals(static_cast<std::size_t>(comm().size()), std::vector<nn_real>(count)) {}

    std::vector<nn_real> sum(int step) {
        std::vector<nn_real> sum(residuals.front().size());
        for (int r = 0; r < comm().size(); ++r) {
            auto& residual = residuals[static_cast<std::size_t>(r)];
            const auto gradient = gradient_of(r, step, residual.size());
            for (std::size_t i = 0; i < sum.size(); ++i) residual[i] += gradient[i];
            const auto sent = decoded_by_model(codec, residual);
            for (std::size_t i = 0; i < sum.size(); ++i) {
                sum[i] += sent[i];
                residual[i] -= sent[i];
            }
        }
        return sum;
    }
};

TEST(Compressed, sums_and_residuals_are_the_models_in_every_step) {
    constexpr std::size_t count = 1500;
    for (const std::string codec : codecs) {
        const auto reducer =
            make_compressed_reducer(comm().all_ranks(), codec_of(codec).value(), count);
        Model model(codec, count);
        for (int step = 0; step < 4; ++step) {
            std::vector<nn_real> values = gradient_of(comm().rank(), step, count);
            reducer->start({0, values});
            const Sum sum = reducer->finish();
            ASSERT_EQ(std::vector(sum.values, sum.values + sum.count), model.sum(step))
                << codec << ", step " << step;
            const auto kept = reducer->residual();
            ASSERT_EQ(std::vector(kept.begin(), kept.end()),
                      model.residuals[static_cast<std::size_t>(comm().rank())])
                << codec << ", step " << step;
        }
    }
}

/// A part's residual is that of its place.
TEST(Compressed, parts_are_summed_each_with_its_own_residual) {
    constexpr std::size_t count = 2000, cut = 1300;
    const auto reducer = make_compressed_reducer(comm().all_ranks(), TopKCodec{0.05}, count);
    Model low("topk:0.05", cut), high("topk:0.05", count - cut);
    for (int step = 0; step < 3; ++step) {
        std::vector<nn_real> first = gradient_of(comm().rank(), step, cut),
                             second = gradient_of(comm().rank(), step, count - cut);
        reducer->start({cut, second});
        reducer->start({0, first});
        const Sum upper = reducer->finish(), lower = reducer->finish();
        EXPECT_EQ(std::vector(upper.values, upper.values + upper.count), high.sum(step));
        EXPECT_EQ(std::vector(lower.values, lower.values + lower.count), low.sum(step));
    }
}

TEST(Compressed, bytes_that_are_given_to_mpi_are_those_of_the_code) {
    constexpr std::size_t count = 159010;  // of 784-200-10
    const struct {
        const char* codec;
        std::size_t bytes;
    } cases[] = {{"bf16", 2 * count},
                 {"int8", count + 4 * 622},
                 {"topk:0.01", 1591 * (4 + sizeof(nn_real))},
                 {"sign", 19877 + 4 * 156}};
    for (const auto& c : cases) {
        const auto reducer =
            make_compressed_reducer(comm().all_ranks(), codec_of(c.codec).value(), count);
        std::vector<nn_real> values(count, 1);
        reducer->start({0, values});
        reducer->finish();
        EXPECT_EQ(reducer->bytes_given(), c.bytes) << c.codec;
    }
}

TEST(Compressed, residuals_come_back_to_their_ranks) {
    const Layout layout({5, 4, 3});
    std::vector<nn_real> mine(layout.total(), static_cast<nn_real>(comm().rank() + 7));
    std::vector<NamedMoment> arrays{{"velocity", Parameters<nn_real>(layout)}};
    gather_residuals(comm(), mine, layout, arrays);
    const auto residuals = take_residuals(arrays);
    EXPECT_EQ(arrays.size(), 1u) << "moments stay";
    EXPECT_EQ(residuals.size(), comm().is_root() ? static_cast<std::size_t>(comm().size()) : 0u);
    std::vector<nn_real> again(layout.total());
    hand_out_residuals(comm(), residuals, again);
    EXPECT_EQ(again, mine);
}

DeviceRequest sending(const std::string& codec) {
    DeviceRequest asked;
    asked.compress = codec_of(codec).value();
    return asked;
}

/// The trainer compares the ranks' bits after each epoch.
TEST(Compressed, trainings_give_the_same_bits_twice_on_all_ranks) {
    if (comm().size() == 1) GTEST_SKIP() << "one rank has nothing to send";
    const Case c = small_case(26, 9);
    const SampleSet set = random_set(c.sizes, c.images);
    for (const std::string codec : codecs) {
        const Parameters<nn_real> values = trained_by(sending(codec), c, set);
        EXPECT_EQ(trained_by(sending(codec), c, set).values, values.values) << codec;
    }
}

/// Two trainings of one accuracy p differ on n images by about sqrt(2 p (1 - p) / n). Four times
/// that is not chance.
TEST(Compressed, trainings_learn_as_well_as_with_whole_gradients) {
    if (comm().size() == 1) GTEST_SKIP() << "one rank has nothing to send";
    const Case c{
        {784, 30, 10},
        2000,
        {.batch = 24, .epochs = 3, .rate = 1, .shuffled = true, .pixel_scale = unit_pixels},
        0.1};
    const SampleSet set = mnist_set(c.images);
    SampleSet unseen = read_mnist("data", Split::test);
    unseen.pixels.resize(3000 * unseen.features());
    unseen.labels.resize(3000);
    const auto accuracy = [&](const DeviceRequest& asked) {
        const Parameters<nn_real> values = trained_by(asked, c, set);
        return NeuralNetwork(values).accuracy(unseen, unit_pixels);
    };
    DeviceRequest whole;
    whole.allreduce = AllreduceKind::mpi;
    const double p = accuracy(whole), n = static_cast<double>(unseen.count());
    EXPECT_GT(p, 0.8);
    for (const std::string codec : codecs)
        EXPECT_GT(accuracy(sending(codec)), p - 4 * std::sqrt(2 * p * (1 - p) / n)) << codec;
}

}  // namespace
