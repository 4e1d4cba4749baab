// ledger.h: who works on which shard in asynchronous descent, and who has to wait.
//
// A shard is taken at a visit, in which its rank fetches the parameters too, and the update that it
// gives is applied at another. The staleness of an update is the number of other updates that were
// applied between these two. The ledger keeps it at `bound` or below, and each shard is taken once.
//
// Updates that are owed - fetched and not applied - can all be applied in time, the one that was
// fetched first first: the i-th of them (from 0) after applied + i updates, which is at most its
// fetch + bound. Every change keeps this so. Thus the rank of the first one never waits for others,
// and somebody can always go on. With a bound of B, at most B + 1 updates are owed.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

class Ledger {
  public:
    /// A bound that no update reaches.
    static constexpr std::int64_t unbounded = std::numeric_limits<std::int64_t>::max() / 2;
    /// What fetch() and apply() return in place of a shard or a staleness.
    static constexpr std::int64_t must_wait = -1, none_left = -2;

    Ledger(int ranks, std::int64_t bound);
    /// All that it knows, for memory that ranks share.
    std::span<std::int64_t> numbers() { return numbers_; }
    std::span<const std::int64_t> numbers() const { return numbers_; }

    /// The rank takes the next shard, counted from 0 over the whole training, if there is one below
    /// `end`, and fetches the parameters. Returns its number; or none_left, or must_wait. A rank
    /// that waits comes before all that ask after it.
    std::int64_t fetch(int rank, std::int64_t end);
    /// The update of the shard that the rank has taken is applied. Returns its staleness, or
    /// must_wait.
    std::int64_t apply(int rank);

    std::int64_t taken() const { return numbers_[0]; }    ///< shards
    std::int64_t applied() const { return numbers_[1]; }  ///< updates

  private:
    bool may_fetch(int rank) const;
    bool may_apply(int rank) const;
    /// `applied` when the rank fetched what it owes; -1: it owes nothing.
    std::int64_t& fetched(int rank) { return numbers_[first_ + static_cast<std::size_t>(rank)]; }
    /// The number of the rank's first request of those that had to wait; -1: it does not wait.
    std::int64_t& waits(int rank) { return fetched(rank + ranks_); }
    std::vector<std::int64_t> fetched_by_others(int rank) const;

    static constexpr std::size_t first_ = 3;  ///< behind taken, applied and the requests
    int ranks_;
    std::int64_t bound_;
    std::vector<std::int64_t> numbers_;
};
