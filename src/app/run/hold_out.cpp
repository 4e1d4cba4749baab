// hold_out.cpp: see hold_out.h.
#include "app/run/hold_out.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/random.h"

namespace {

/// Moves the items of these samples, `each` a sample, to the end of `to`; the others close up.
template <class T>
void move_samples(std::vector<T>& from, std::size_t each, const std::vector<std::size_t>& indices,
                  std::vector<T>& to) {
    if (from.empty() || indices.empty()) return;
    const auto at = [&](std::size_t sample) {
        return from.begin() + static_cast<std::ptrdiff_t>(sample * each);
    };
    to.reserve(indices.size() * each);
    auto end = at(indices.front());
    for (std::size_t i = 0; i < indices.size(); ++i) {
        to.insert(to.end(), at(indices[i]), at(indices[i] + 1));
        const auto next = i + 1 < indices.size() ? at(indices[i + 1]) : from.end();
        end = std::copy(at(indices[i] + 1), next, end);
    }
    from.erase(end, from.end());
}

}  // namespace

std::vector<std::size_t> last_samples(std::size_t count, std::size_t held_out) {
    std::vector<std::size_t> indices(held_out);
    std::iota(indices.begin(), indices.end(), count - held_out);
    return indices;
}

std::vector<std::size_t> drawn_samples(std::size_t count, std::size_t held_out,
                                       std::uint64_t seed) {
    // The first weights and the orders of the epochs have the streams 0, 1, ...
    Rng rng(seed, std::numeric_limits<std::uint64_t>::max());
    std::vector<std::size_t> indices(count);
    std::iota(indices.begin(), indices.end(), std::size_t{0});
    shuffle(indices, rng);
    indices.resize(held_out);
    std::ranges::sort(indices);
    return indices;
}

SampleSet take_out(SampleSet& set, const std::vector<std::size_t>& indices) {
    SampleSet taken{.rows = set.rows,
                    .cols = set.cols,
                    .classes = set.classes,
                    .format = set.format,
                    .class_names = set.class_names};
    const auto outputs = static_cast<std::size_t>(set.classes);
    move_samples(set.pixels, set.features(), indices, taken.pixels);
    move_samples(set.inputs, set.features(), indices, taken.inputs);
    move_samples(set.labels, 1, indices, taken.labels);
    move_samples(set.targets, outputs, indices, taken.targets);
    return taken;
}
