// node_memory.h: memory that the ranks of one node share, and their barrier.
#pragma once
#include <cstddef>
#include <memory>

#include "base/wait.h"
#include "comm/group.h"

/// Memory that all ranks of one node see, at an address of each rank's own.
class NodeMemory {
  public:
    /// `bytes` zeros, and a barrier for `waiters`: the threads of all ranks of the node.
    NodeMemory(const Group& node, std::size_t bytes, int waiters);
    /// Collective. So it must not run because of an error that only one rank has (Session).
    ~NodeMemory();
    NodeMemory(const NodeMemory&) = delete;
    NodeMemory& operator=(const NodeMemory&) = delete;

    /// True if this system has room for it. Not collective.
    static bool fit(std::size_t bytes);

    std::byte* data() { return data_; }  ///< on a cache line
    Barrier& barrier() { return *barrier_; }

  private:
    struct Window;
    std::unique_ptr<Window> window_;
    Barrier* barrier_ = nullptr;
    std::byte* data_ = nullptr;
};
