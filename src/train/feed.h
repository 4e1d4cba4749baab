// feed.h: where the samples of a mini-batch come from: the verb load.
//
// A set lies on rank 0. Either it is sent to every rank once and stays on each device, and load
// only selects (feed_resident.cpp); or each mini-batch is scattered when it is needed, as the
// course does (feed_scattered.cpp). Both give the same samples in the same order, and so the same
// bits. Collective; a call that fails throws Failure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/names.h"
#include "comm/comm.h"
#include "device/replica.h"
#include "input/sample_set.h"

enum class FeedKind { resident, scattered };
template <>
struct Names<FeedKind> {
    static constexpr Named<FeedKind> all[] = {{FeedKind::resident, "resident"},
                                              {FeedKind::scattered, "scattered"}};
};

/// A mini-batch of all ranks: the samples [first, first + count) of the order.
struct Batch {
    std::size_t first;
    int count;
};

class Feed {
  public:
    virtual ~Feed() = default;
    /// The batches to come, each `batch` samples, the last one maybe fewer, follow `order`, indices
    /// of the set; the same on all ranks; copied.
    virtual void begin(std::span<const std::uint32_t> order, int batch) = 0;
    /// This rank's shard of the batch becomes the replica's current samples.
    virtual void load(const Batch& batch) = 0;
    /// No further batch follows: what is on its way arrives first.
    virtual void end() {}
    virtual FeedKind kind() const = 0;
};

/// Where the feed of a set works, and for what.
struct FeedPlace {
    const Comm& comm;
    Replica& replica;
    Role role;
};

/// The most samples of which one MPI message, whose counts are ints, holds inputs, targets or yhat.
std::size_t most_samples_in_message(const Layout& layout, const SampleFormat& format);

/// Of rank 0's set; the other ranks' set is not looked at. `set_on_root` has to outlive the feed.
/// Resident, where that is asked for and every rank's device has room; otherwise scattered.
std::unique_ptr<Feed> make_feed(FeedKind asked, const FeedPlace& place,
                                const SampleSet& set_on_root);

/// Sends rank 0's set to all devices. False, and no device keeps it, where one has no room.
bool keep_everywhere(const FeedPlace& place, const SampleSet& set_on_root);
std::unique_ptr<Feed> make_resident_feed(const FeedPlace& place);
std::unique_ptr<Feed> make_scattered_feed(const FeedPlace& place, const SampleSet& set_on_root);
