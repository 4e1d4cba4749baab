// scatter.h: rank 0 hands every rank its shard of a mini-batch while the one before is computed.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

/// A scatter that may go on while the caller computes: start(), then finish(). How much of it does
/// is MPI's affair; without a thread of its own it moves large messages only while it is called.
class Scatter {
  public:
    Scatter();
    ~Scatter();
    Scatter(const Scatter&) = delete;
    Scatter& operator=(const Scatter&) = delete;

    /// Rank 0 hands counts[r] bytes, one after another in `all`, to rank r, which has room for them
    /// in `mine`. `all` and `counts` are read on rank 0 only. Until finish(), `all` must not change
    /// and `mine` not be read.
    void start(std::span<const std::uint8_t> all, std::span<const int> counts,
               std::span<std::uint8_t> mine);
    void finish();  ///< waits; nothing where nothing was started
    // What is not finished when the object goes is left to MPI: other ranks may have ended.

  private:
    struct State;
    std::unique_ptr<State> state_;
};
