// feed_resident.cpp: sends the set to every device once; a step selects its shard there.
#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "base/range.h"
#include "train/feed.h"

namespace {

class ResidentFeed : public Feed {
  public:
    explicit ResidentFeed(const FeedDestination& to) : to_(to) {}

    void begin(std::span<const std::uint32_t> order, int) override {
        const Span span(Work::data);
        if (to_.role == Role::train) to_.replica.samples().set_order(order);
    }
    void load(const Batch& batch) override {
        const Span span(Work::data);
        const Shard mine = shard_on_node(to_.comm, batch.count, to_.dealing);
        to_.replica.samples().select(
            to_.role, batch.first + first_of_node(to_.comm, batch.count, to_.dealing), mine);
    }
    FeedKind kind() const override { return FeedKind::resident; }

  private:
    FeedDestination to_;
};

}  // namespace

bool keep_everywhere(const FeedDestination& to, const SampleSet& set_on_root) {
    const auto& [comm, replica, role, dealing] = to;
    SampleStore& store = replica.samples();
    SampleBytes set{set_on_root.input_bytes(), set_on_root.target_bytes()};
    std::vector<std::uint8_t> inputs, targets;  // used on the ranks that have no set
    {
        const Span span(Work::communication);
        const std::size_t input_bytes = comm.from_root(set.inputs.size());
        const std::size_t target_bytes = comm.from_root(set.targets.size());
        if (!comm.is_root()) {
            inputs.resize(input_bytes);
            targets.resize(target_bytes);
            set = {inputs, targets};
        }
        // MPI_Bcast takes a pointer to non-const memory, but on rank 0 it only reads.
        const auto all = [](std::span<const std::uint8_t> bytes) {
            return std::span(const_cast<std::uint8_t*>(bytes.data()), bytes.size());
        };
        comm.broadcast(all(set.inputs));
        comm.broadcast(all(set.targets));
    }
    const Span span(Work::data);
    const bool kept = comm.all(store.keep(role, set));
    if (!kept) store.keep(role, {});
    return kept;
}

std::unique_ptr<Feed> make_resident_feed(const FeedDestination& to) {
    return std::make_unique<ResidentFeed>(to);
}
