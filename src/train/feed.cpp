// feed.cpp: chooses the feed of a set.
#include "train/feed.h"

#include <algorithm>
#include <limits>

#include "base/leaves.h"

Range dealt_to_replica_of(int rank, int ranks, int batch, const Dealing& dealing) {
    const int first = rank / dealing.ranks_together * dealing.ranks_together;
    const auto share = [&](int r) {
        if (!dealing.in_leaves) return shard_of(batch, r, ranks);
        const Range leaves = part_of_leaves(leaves_of(batch), r, ranks);
        const int begin = std::min(leaves.first * leaf_samples, batch);
        return Range{begin, std::min(leaves.count * leaf_samples, batch - begin)};
    };
    const Range last = share(first + dealing.ranks_together - 1);
    return {share(first).first, last.first + last.count - share(first).first};
}

Range dealt_to(int rank, int ranks, int batch, const Dealing& dealing) {
    if (!dealing.in_leaves) return shard_of(batch, rank, ranks);
    const Range all = dealt_to_replica_of(rank, ranks, batch, dealing);
    const int together = dealing.ranks_together;
    const Range mine = shard_of(all.count, rank % together, together);
    return {all.first + mine.first, mine.count};
}

int most_dealt(int ranks, int batch, const Dealing& dealing) {
    int most = 0;
    for (int r = 0; r < ranks; ++r) most = std::max(most, dealt_to(r, ranks, batch, dealing).count);
    return most;
}

std::size_t first_of_node(const Comm& comm, int batch, const Dealing& dealing) {
    const int first_rank = comm.rank() - comm.node_rank();
    return static_cast<std::size_t>(dealt_to(first_rank, comm.size(), batch, dealing).first);
}

Shard shard_on_node(const Comm& comm, int batch, const Dealing& dealing) {
    const int first = static_cast<int>(first_of_node(comm, batch, dealing));
    const int last_rank = comm.rank() - comm.node_rank() + comm.node_size() - 1;
    const Range last = dealt_to(last_rank, comm.size(), batch, dealing);
    const Range mine = dealt_to(comm.rank(), comm.size(), batch, dealing);
    return {mine.first - first, mine.count, last.first + last.count - first};
}

std::size_t most_samples_in_message(const Layout& layout, const SampleFormat& format) {
    const std::size_t largest =
        std::max({format.input_bytes(layout.inputs()), format.target_bytes(layout.classes()),
                  static_cast<std::size_t>(layout.classes())});
    return std::numeric_limits<int>::max() / largest;
}

std::unique_ptr<Feed> make_feed(FeedKind asked, const FeedDestination& to,
                                const SampleSet& set_on_root) {
    if (asked == FeedKind::resident && keep_everywhere(to, set_on_root))
        return make_resident_feed(to);
    return make_scattered_feed(to, set_on_root);
}
