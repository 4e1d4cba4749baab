// feed.h: brings the samples of a mini-batch to the devices: the verb load.
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
#include "base/range.h"
#include "comm/comm.h"
#include "device/replica.h"
#include "input/sample_set.h"

enum class FeedKind { resident, scattered };
template <>
struct Names<FeedKind> {
    static constexpr Named<FeedKind> all[] = {{FeedKind::resident, "resident"},
                                              {FeedKind::scattered, "scattered"}};
};

/// A mini-batch of all ranks: the samples [first, first + count) of the order; or a slice of one
/// that has `of` samples.
struct Batch {
    std::size_t first;
    int count;
    int of = count;
};

class Feed {
  public:
    virtual ~Feed() = default;
    /// Announces the next batches: each has `batch` samples, the last one maybe fewer, and they
    /// follow `order`, which holds indices of the set. `order` is the same on all ranks, and is
    /// copied.
    virtual void begin(std::span<const std::uint32_t> order, int batch) = 0;
    /// This rank's shard of the batch becomes the replica's current samples.
    virtual void load(const Batch& batch) = 0;
    /// No further batch follows. Waits for a batch that is on its way.
    virtual void end() {}
    virtual FeedKind kind() const = 0;
};

/// How the samples of a mini-batch are dealt to the ranks.
struct Dealing {
    bool in_leaves = false;  ///< what a replica gets begins and ends at leaves (base/leaves.h)
    int ranks_together = 1;  ///< ranks that follow one another and work on one replica
};

/// The ranks and the replica that a feed brings samples to, and the role of the set.
struct FeedDestination {
    const Comm& comm;
    Replica& replica;
    Role role;
    Dealing dealing = {};
};

/// The largest number of samples whose inputs, targets or yhat fit into one MPI message. MPI counts
/// in ints.
std::size_t most_samples_in_message(const Layout& layout, const SampleFormat& format);

/// The samples of a mini-batch are dealt to the ranks in their order. Their order is by nodes, so a
/// node has samples that follow one another, from first_of_node() on. A rank's shard counts from
/// there, in a mini-batch that is the node's.
std::size_t first_of_node(const Comm& comm, int batch, const Dealing& dealing = {});
Shard shard_on_node(const Comm& comm, int batch, const Dealing& dealing = {});
/// The samples of one of `ranks` ranks, and those of its replica.
Range dealt_to(int rank, int ranks, int batch, const Dealing& dealing);
Range dealt_to_replica_of(int rank, int ranks, int batch, const Dealing& dealing);
/// The most samples that one of them gets.
int most_dealt(int ranks, int batch, const Dealing& dealing);

/// Makes a feed of rank 0's set; the set of the other ranks is ignored. `set_on_root` must outlive
/// the feed. The feed is resident if that is asked for and every device has room. Otherwise it is
/// scattered.
std::unique_ptr<Feed> make_feed(FeedKind asked, const FeedDestination& to,
                                const SampleSet& set_on_root);

/// Sends rank 0's set to all devices. If one device has no room, no device keeps it, and it returns
/// false.
bool keep_everywhere(const FeedDestination& to, const SampleSet& set_on_root);
std::unique_ptr<Feed> make_resident_feed(const FeedDestination& to);
std::unique_ptr<Feed> make_scattered_feed(const FeedDestination& to, const SampleSet& set_on_root);
