// strategies.h: the strategies, a row each.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "train/ledger.h"
#include "train/strategy.h"

/// Synchronous gradient descent: for every mini-batch load, forward, backward, and one update by
/// the sum of all ranks' gradients.
std::unique_ptr<Strategy> make_every_step();
/// A mini-batch comes in slices of `slice` samples, all ranks together, one after the other. It has
/// a whole number of slices; only the last mini-batch of an epoch may have less.
std::unique_ptr<Strategy> make_accumulate(int slice);

/// The mean of parameters that were trained apart, as one step of an outer descent: with d the
/// parameters at the last mean, minus the mean of now,
///     v = momentum v + d,  p = p - rate (d + momentum v)
/// which is the mean itself for the rate 1 without momentum.
struct OuterUpdate {
    double momentum = 0, rate = 1;
};
/// The name of v in a checkpoint.
inline constexpr const char* outer_velocity_name = "outer_velocity";
/// Local descent: each rank trains its own parameters on its shards. After every `steps` steps of
/// an epoch, and at its end, all take the mean, by `outer`.
std::unique_ptr<Strategy> make_local(int steps, OuterUpdate outer);

/// An update of asynchronous descent: by shard number `shard` of the whole training, from the
/// parameters after `fetched` updates, applied as number `applied`. All count from 0.
struct AppliedUpdate {
    std::int64_t shard, fetched, applied;
};
struct AsyncSettings {
    std::int64_t bound = Ledger::unbounded;        ///< of the staleness
    std::vector<AppliedUpdate>* record = nullptr;  ///< gets this rank's updates, if not null
};
/// Asynchronous descent: each rank does one shard after the other, and its updates are applied to
/// parameters on rank 0 as they come. Equal runs give different bits.
std::unique_ptr<Strategy> make_async(const AsyncSettings& settings);
