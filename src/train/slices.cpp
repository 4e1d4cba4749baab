// slices.cpp: the sums over slices.
#include "train/slices.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

void GradientOfSlices::take(const Lent& lent, const Slice& slice) {
    if (slice.is_first && slice.is_last) return;
    if (lent.memory != Memory::host)
        throw std::logic_error("slices are added in host memory, and a part is in a device's");
    if (lent.ready != nullptr) lent.ready->wait();
    sum_.resize(std::max(sum_.size(), lent.first + lent.values.size()));
    const std::span<nn_real> sum = std::span(sum_).subspan(lent.first, lent.values.size());
    if (slice.is_first)
        std::ranges::copy(lent.values, sum.begin());
    else
        std::ranges::transform(sum, lent.values, sum.begin(), std::plus<>());
    if (slice.is_last) std::ranges::copy(sum, lent.values.begin());
}
