// scatter.h: rank 0 sends every rank its shard of a mini-batch while the ranks compute the one
// before.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "comm/group.h"

/// A scatter that may go on while the caller computes: start(), then finish(). MPI decides how much
/// of the scatter runs meanwhile. An MPI without a thread of its own moves large messages only
/// inside its calls.
class Scatter {
  public:
    explicit Scatter(const Group& group);
    ~Scatter();
    Scatter(const Scatter&) = delete;
    Scatter& operator=(const Scatter&) = delete;

    /// Rank 0 sends counts[r] bytes, one rank's behind the other's in `all`, to rank r, which has
    /// room for them in `mine`. `all` and `counts` are read on rank 0 only. Until finish(), nobody
    /// may change `all` or read `mine`.
    void start(std::span<const std::uint8_t> all, std::span<const int> counts,
               std::span<std::uint8_t> mine);
    void finish();  ///< waits; does nothing if nothing was started
    // The destructor does not wait for an unfinished scatter, because other ranks may have ended.

  private:
    struct State;
    const Group& group_;
    std::unique_ptr<State> state_;
};
