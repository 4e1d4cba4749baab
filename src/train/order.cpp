// order.cpp: each epoch has a generator of its own, so a resume needs no generator's state.
#include "train/order.h"

#include <numeric>

#include "base/random.h"

std::vector<std::uint32_t> sample_order(std::size_t count, int epoch, const Training& training) {
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    if (training.shuffled) {
        Rng rng(training.seed, static_cast<std::uint64_t>(epoch) + 1);
        shuffle(order, rng);
    }
    return order;
}
