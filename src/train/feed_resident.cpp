// feed_resident.cpp: sends the set to every device once; a step selects its shard there.
#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "base/range.h"
#include "train/feed.h"

namespace {

class ResidentFeed : public Feed {
  public:
    explicit ResidentFeed(const FeedPlace& place) : place_(place) {}

    void begin(std::span<const std::uint32_t> order, int) override {
        const Span span(Work::data);
        if (place_.role == Role::train) place_.replica.samples().set_order(order);
    }
    void load(const Batch& batch) override {
        const Span span(Work::data);
        const Range mine = shard_of(batch.count, place_.comm.rank(), place_.comm.size());
        place_.replica.samples().select(
            place_.role, batch.first + static_cast<std::size_t>(mine.first), mine.count);
    }
    FeedKind kind() const override { return FeedKind::resident; }

  private:
    FeedPlace place_;
};

}  // namespace

bool keep_everywhere(const FeedPlace& place, const SampleSet& set_on_root) {
    const auto& [comm, replica, role] = place;
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

std::unique_ptr<Feed> make_resident_feed(const FeedPlace& place) {
    return std::make_unique<ResidentFeed>(place);
}
