// test_train_nccl.cpp: that gradients which NCCL sums on the devices train as the others do, and
// that nobody waits for a rank that has given up.
//
// On the kernel runner, NCCL is tests/gpuhost/nccl_imitation.cpp. On GPUs it is the true one, where
// it is found and each rank has a GPU of its own.
#include "device/gpu/nccl.h"
#include "tests/support/train_fixture.h"

namespace {

class Nccl : public testing::Test {
  protected:
    void SetUp() override {
        const CudaDevices devices = find_cuda_devices();
        if (!comm().all(!devices.usable.empty())) GTEST_SKIP() << "no CUDA: " << devices.why_none;
        device_ = gpu_of_rank(comm(), devices).number;
        if (shares_gpu(comm(), cuda_uuid(device_)))
            GTEST_SKIP() << "two ranks have the same GPU (GPUHOST_DEVICES=N gives the runner N)";
        const std::string missing = find_nccl().missing;
        if (!comm().all(missing.empty())) GTEST_SKIP() << missing;
    }
    bool on_runner() const { return cuda_uuid(device_).substr(4) == std::string(12, '\0'); }

    std::unique_ptr<Replica> make_replica(const Case& c, std::size_t parts_from) const {
        const ReplicaShape shape{.layout = Layout(c.sizes),
                                 .capacity = shard_of(c.training.batch, 0, comm().size()).count,
                                 .pixel_scale = c.training.pixel_scale};
        return make_cuda_replica(shape, {.device = device_,
                                         .several_ranks = true,
                                         .lends_device_memory = true,
                                         .parts_from = parts_from});
    }
    DataParallelNeuralNetwork make_network(const Case& c, std::size_t parts_from) const {
        return {comm(),
                make_replica(c, parts_from),
                initial_of(c),
                {make_nccl_reducer(comm().all_ranks(), device_)}};
    }

    int device_ = 0;
};

TEST_F(Nccl, small_trains_as_the_reference_and_twice_to_the_same_bits) {
    Case c = small_case(33, 10);
    c.sizes = {200, 130, 12, 4};  // as one part, longer than the imitation's memory for a rank
    const SampleSet set = random_set(c.sizes, c.images);
    NeuralNetwork reference(initial_of(c));
    reference.train(set, c.training);
    for (const std::size_t parts_from : {std::size_t{0}, CudaSettings{}.parts_from}) {
        std::vector<nn_real> first;
        for (int time = 0; time < 2; ++time) {
            auto network = make_network(c, parts_from);
            network.train(set, c.training, nullptr);
            const Parameters<nn_real> values = network.parameters();
            expect_same(values, reference.parameters(), course_tolerance);
            if (time == 0) first = values.values;
            EXPECT_EQ(values.values, first) << "parts from " << parts_from << " bytes";
            EXPECT_EQ(network.bytes_a_step(), static_cast<double>(first.size() * sizeof(nn_real)));
        }
    }
}

/// True NCCL sees the end of a rank by its connection, which on one machine it may not have.
TEST_F(Nccl, small_sum_that_a_rank_gives_up_is_a_failure_on_the_others) {
    if (!on_runner()) GTEST_SKIP() << "only the imitation sees it on one machine";
    if (comm().size() == 1) GTEST_SKIP() << "one rank waits for nobody";
    const Case c = small_case(33, 10);
    const SampleSet set = random_set(c.sizes, c.images);
    const auto replica = make_replica(c, 0);
    replica->write(initial_of(c).values);
    replica->samples().keep(Role::train, {set.pixels, set.labels});
    auto reducer = make_nccl_reducer(comm().all_ranks(), device_);
    replica->samples().select(Role::train, 0, replica->shape().capacity);
    replica->forward(1, Want::gradient);
    const bool gives_up = comm().rank() == comm().size() - 1;
    const auto parts = static_cast<int>(replica->parts().size());
    replica->backward([&](int part) {
        if (!gives_up || part + 1 < parts) reducer->start(replica->lend(part));
    });
    const auto begin = std::chrono::steady_clock::now();
    if (!gives_up) {
        const auto finish_all = [&] {
            for (int part = 0; part < parts; ++part) reducer->finish();
        };
        EXPECT_THROW(finish_all(), Failure);
    }
    reducer.reset();  // what is under way is aborted, and nobody waits
    EXPECT_LT(seconds_since(begin), 10);
}

}  // namespace
