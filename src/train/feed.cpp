// feed.cpp: chooses the feed of a set.
#include "train/feed.h"

#include <algorithm>
#include <limits>

#include "base/range.h"

std::size_t first_of_node(const Comm& comm, int batch) {
    const int first_rank = comm.rank() - comm.node_rank();
    return static_cast<std::size_t>(shard_of(batch, first_rank, comm.size()).first);
}

Shard shard_on_node(const Comm& comm, int batch) {
    const int first = static_cast<int>(first_of_node(comm, batch));
    const int last_rank = comm.rank() - comm.node_rank() + comm.node_size() - 1;
    const Range last = shard_of(batch, last_rank, comm.size());
    const Range mine = shard_of(batch, comm.rank(), comm.size());
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
