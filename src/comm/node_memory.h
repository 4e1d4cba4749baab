// node_memory.h: memory that the ranks of one node share, and their barrier.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/real.h"
#include "comm/comm.h"

/// Memory that all ranks see, where all are on one node: one array of parameters and each rank's
/// gradient. After each rank has updated its part of the parameters, all have the new ones, with no
/// message sent.
class NodeMemory {
  public:
    /// For `count` parameters; the ranks have to be on one node.
    NodeMemory(const Comm& comm, std::size_t count);
    /// Collective. So it must not be reached by one rank's error alone (Session).
    ~NodeMemory();
    NodeMemory(const NodeMemory&) = delete;
    NodeMemory& operator=(const NodeMemory&) = delete;

    /// Whether the system has room for it; the same answer on every rank.
    static bool fit(const Comm& comm, std::size_t count);

    nn_real* parameters() { return parameters_; }
    std::span<nn_real* const> gradients() const { return gradients_; }  ///< of each rank
    /// Waits until every rank is here; what they wrote before it is seen after it.
    void barrier();

  private:
    struct State;
    std::unique_ptr<State> state_;
    nn_real* parameters_ = nullptr;
    std::vector<nn_real*> gradients_;
};
