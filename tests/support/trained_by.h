// trained_by.h: trains as ./main does: all ranks take what choose_device() makes of a request.
#pragma once
#include "tests/support/train_fixture.h"
#include "train/choose.h"

/// The parameters after the case's training on the CPU, with one thread a rank. The training
/// itself checks that all ranks hold the same bits.
inline Parameters<nn_real> trained_by(DeviceRequest asked, const Case& c, const SampleSet& set) {
    asked.device = DeviceKind::cpu;
    asked.threads = 1;
    const int capacity = std::max(1, shard_of(c.training.batch, 0, comm().size()).count);
    const ReplicaShape shape{Layout(c.sizes), capacity, c.training.pixel_scale};
    ChosenDevice device = choose_device(comm(), asked, shape, capacity, 0.2);
    EXPECT_EQ(device.replicas, comm().size());
    DataParallelNeuralNetwork network(comm(), std::move(device.replica), initial_of(c),
                                      {std::move(device.reducer), c.feed});
    network.train(set, c.training, nullptr);
    return network.parameters();
}
