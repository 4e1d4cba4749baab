// group.h: ranks that sum with each other: all of them, or those of one number on each node.
//
// A reducer (src/reduce) is written for a group, whose ranks count from 0. Collective calls are
// made by every rank of the group in the same order; a call that fails throws Failure. A message
// from rank to rank goes by Messages.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/real.h"

class Group {
  public:
    struct Handle;  ///< MPI's communicator (handle.h); none in the build without MPI

    explicit Group(std::unique_ptr<Handle> handle);
    ~Group();
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

    int rank() const { return rank_; }
    int size() const { return size_; }
    const Handle& handle() const { return *handle_; }

    /// values[i] becomes the sum of values[i] over the ranks, by MPI_Allreduce. `values` may be
    /// device memory if Comm::is_cuda_aware().
    void sum(std::span<nn_real> values) const;
    void broadcast(std::span<std::uint8_t> bytes) const;  ///< from rank 0
    /// Every rank gets the bytes of all, in the order of the ranks; `all` has counts[r] bytes of
    /// rank r, and counts[rank()] is the size of `mine`. Together they are at most 2^31 - 1 bytes.
    void gather_everywhere(std::span<const std::uint8_t> mine, std::span<const int> counts,
                           std::span<std::uint8_t> all) const;

  private:
    std::unique_ptr<Handle> handle_;
    int rank_ = 0, size_ = 1;
};

/// Sends and receives that go on together. Not collective. Until wait(), nobody may change what is
/// sent, or read what is received.
class Messages {
  public:
    explicit Messages(const Group& group);
    ~Messages();
    void send(std::span<const nn_real> values, int to);
    void receive(std::span<nn_real> values, int from);
    void wait();

  private:
    struct Requests;
    const Group& group_;
    std::unique_ptr<Requests> requests_;
};
