// shared_images.cpp: finds the bytes of some test images among those of all training images.
#include "input/shared_images.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/text.h"

namespace {

std::string_view image(const SampleSet& set, std::size_t i) {
    const auto* const pixels = reinterpret_cast<const char*>(set.pixels.data());
    return {pixels + i * set.features(), set.features()};
}

/// Some pixels from the middle, where images differ: few pairs must be looked at beyond them.
std::string_view middle(std::string_view image) {
    constexpr std::size_t most = 64;
    const std::size_t count = std::min(most, image.size());
    return image.substr((image.size() - count) / 2, count);
}

}  // namespace

std::string note_on_shared_images(const SampleSet& train, const SampleSet& test) {
    const bool comparable = !train.format.number_inputs && !test.format.number_inputs &&
                            train.rows == test.rows && train.cols == test.cols;
    if (!comparable || test.count() == 0) return "";
    constexpr std::size_t most_looked_at = 500;
    const std::size_t count = std::min(most_looked_at, test.count());
    std::unordered_multimap<std::string_view, std::string_view> some;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string_view one = image(test, i * test.count() / count);
        some.emplace(middle(one), one);
    }
    std::size_t shared = 0;
    for (std::size_t i = 0; i < train.count(); ++i) {
        const std::string_view one = image(train, i);
        auto [at, end] = some.equal_range(middle(one));
        while (at != end)
            if (at->second == one) {
                ++shared;
                at = some.erase(at);  // each counts once
            } else {
                ++at;
            }
    }
    if (20 * shared < count) return "";
    return std::to_string(shared) + " of " + counted(count, "test image") +
           " that were looked at are training images too, so the accuracy on them says little "
           "about other images; keep the two sets apart";
}
