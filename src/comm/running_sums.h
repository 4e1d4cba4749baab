// running_sums.h: sums over a group that go on while this rank does other work, by MPI_Iallreduce.
//
// An MPI without a thread of its own works on them only inside these calls, so whoever computes
// meanwhile must call now and then.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "comm/group.h"

/// The sums of a group, oldest first. All ranks start the same sums in the same order. Calls that
/// fail throw Failure.
class RunningSums {
  public:
    explicit RunningSums(const Group& group);
    ~RunningSums();
    RunningSums(const RunningSums&) = delete;
    RunningSums& operator=(const RunningSums&) = delete;

    /// values[i] becomes the sum of values[i] over the ranks. Until the sum is complete, nobody may
    /// touch the values.
    void start(std::span<nn_real> values);
    std::size_t count() const;  ///< sums that were started and are not known to be complete
    /// Lets MPI work on all of them. True if the oldest is complete, which then is none of them any
    /// more. There must be one.
    bool oldest_is_complete();
    /// Waits until it is.
    void wait_for_oldest();

  private:
    struct Requests;
    const Group& group_;
    std::unique_ptr<Requests> requests_;
};
