// ledger.cpp: the rules of ledger.h.
#include "train/ledger.h"

#include <algorithm>

namespace {
constexpr std::int64_t nothing = -1;
}

Ledger::Ledger(int ranks, std::int64_t bound)
    : ranks_(ranks),
      bound_(bound),
      numbers_(first_ + 2 * static_cast<std::size_t>(ranks), nothing) {
    std::fill_n(numbers_.begin(), first_, 0);
}

std::int64_t Ledger::fetch(int rank, std::int64_t end) {
    if (taken() >= end) {
        waits(rank) = nothing;
        return none_left;
    }
    if (!may_fetch(rank)) {
        if (waits(rank) == nothing) waits(rank) = numbers_[2]++;
        return must_wait;
    }
    waits(rank) = nothing;
    fetched(rank) = applied();
    return numbers_[0]++;
}

std::int64_t Ledger::apply(int rank) {
    if (!may_apply(rank)) return must_wait;
    const std::int64_t staleness = applied() - fetched(rank);
    fetched(rank) = nothing;
    ++numbers_[1];
    return staleness;
}

/// In their order.
std::vector<std::int64_t> Ledger::fetched_by_others(int rank) const {
    std::vector<std::int64_t> owed;
    for (int r = 0; r < ranks_; ++r) {
        const std::int64_t at = numbers_[first_ + static_cast<std::size_t>(r)];
        if (r != rank && at != nothing) owed.push_back(at);
    }
    std::ranges::sort(owed);
    return owed;
}

bool Ledger::may_fetch(int rank) const {
    const auto waits = std::span(numbers_).last(static_cast<std::size_t>(ranks_));
    const std::int64_t mine = waits[static_cast<std::size_t>(rank)];
    const auto is_before = [&](std::int64_t other) {
        return other != nothing && (mine == nothing || other < mine);
    };
    return std::ranges::none_of(waits, is_before) &&
           static_cast<std::int64_t>(fetched_by_others(rank).size()) <= bound_;
}

bool Ledger::may_apply(int rank) const {
    std::int64_t then = applied() + 1;  // when the next of the others is applied, at the earliest
    return std::ranges::all_of(fetched_by_others(rank),
                               [&](std::int64_t at) { return then++ - at <= bound_; });
}
