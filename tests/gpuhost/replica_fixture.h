// replica_fixture.h: a small training on a CUDA replica, and what the kernel runner counts of it.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "device/gpu/kernels.h"
#include "device/replica.h"
#include "gpuhost.h"
#include "model/initial.h"

inline constexpr int images = 100, pixels = 784, batch = 32;  // the last mini-batch is of 4 images
inline constexpr std::size_t steps = 4;
inline constexpr std::size_t set_bytes = images * (pixels + 1), order_bytes = images * 4;

class ReplicaTraffic : public testing::Test {
  protected:
    void TearDown() override { gpuhost::config() = before_; }
    std::unique_ptr<Replica> make(const CudaSettings& settings,
                                  decltype(&make_cuda_replica) by = make_cuda_replica) const {
        auto replica = by({layout_, batch, nn_real{1} / 255}, settings);
        replica->write(initial_parameters<nn_real>(layout_, 1, 0).values);
        return replica;
    }
    void keep(Replica& replica) const {
        ASSERT_TRUE(replica.samples().keep(Role::train, {pixels_, labels_}));
        replica.samples().set_order(in_file_order_);
    }
    /// Forward from a shard of the set.
    static void forward(Replica& replica, std::size_t first) {
        replica.samples().select(Role::train, first, batch);
        replica.forward(nn_real{1} / batch, Want::gradient);
    }
    /// A whole step, as of a lone replica.
    static void step(Replica& replica, std::size_t first) {
        forward(replica, first);
        replica.backward_and_update(update_);
    }
    /// The same as of several, whose reducer waits for each part and finds that the sum is what was
    /// lent. Returns what was lent.
    static std::vector<Lent> lend_and_step(Replica& replica, std::size_t first) {
        std::vector<Lent> parts;
        forward(replica, first);
        replica.backward([&](int part) { parts.push_back(replica.lend(part)); });
        for (const Lent& part : parts) part.ready->wait();
        for (const Lent& part : parts)
            replica.update(update_,
                           {part.first, part.values.size(), part.values.data(), part.memory});
        return parts;
    }
    /// Forward and backward, as of several. `memory`, a reducer's own, gets the gradient.
    static void gradient_to(Replica& replica, std::size_t first, std::span<nn_real> memory) {
        forward(replica, first);
        replica.backward([&](int part) {
            const Lent lent = replica.lend(part);
            lent.ready->wait();
            std::ranges::copy(lent.values, memory.begin());
        });
    }
    /// What the device does for `action`, until the last of it.
    template <class Action>
    static gpuhost::Traffic traffic_of(Replica& replica, const Action& action) {
        const auto finish = [&replica] { replica.take_loss(); };
        finish();
        const gpuhost::Traffic before = gpuhost::traffic();
        finish();
        const gpuhost::Traffic after = gpuhost::traffic();
        action();
        finish();
        const gpuhost::Traffic now = gpuhost::traffic();
        return {now.uploaded - after.uploaded,
                now.downloaded - after.downloaded - (after.downloaded - before.downloaded),
                now.launches - after.launches, now.graph_launches - after.graph_launches};
    }

    static std::vector<nn_real> parameters_of(Replica& replica) {
        std::vector<nn_real> values(replica.shape().layout.total());
        replica.read(values);
        return values;
    }
    /// Leaves the device so many bytes.
    static void leave_free(std::size_t bytes) {
        std::size_t free_bytes = 0, total_bytes = 0;
        ASSERT_EQ(cudaMemGetInfo(&free_bytes, &total_bytes), cudaSuccess);
        gpuhost::config().memory = total_bytes - free_bytes + bytes;
    }

    const gpuhost::Config before_ = gpuhost::config();
    static constexpr Update update_{nn_real{0.5}, 0};
    const Layout layout_{{pixels, 16, 10}};
    const std::size_t gradient_bytes_ = layout_.total() * sizeof(nn_real);
    /// No two images are alike.
    const std::vector<std::uint8_t> pixels_ = [] {
        std::vector<std::uint8_t> bytes(images * pixels);
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<std::uint8_t>(i * 7 / 5 % 151);
        return bytes;
    }();
    const std::vector<std::uint8_t> labels_ = [] {
        std::vector<std::uint8_t> classes(images);
        for (std::size_t i = 0; i < images; ++i) classes[i] = static_cast<std::uint8_t>(i % 9);
        return classes;
    }();
    std::vector<std::uint32_t> in_file_order_ = [] {
        std::vector<std::uint32_t> order(images);
        std::iota(order.begin(), order.end(), 0u);
        return order;
    }();
};
