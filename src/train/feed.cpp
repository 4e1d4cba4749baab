// feed.cpp: chooses the feed of a set.
#include "train/feed.h"

#include <algorithm>
#include <limits>

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
