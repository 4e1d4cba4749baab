// node_memory.h: memory that the ranks of one node share, and their barrier.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/real.h"
#include "comm/comm.h"

/// Memory that all ranks of one node see: one array of parameters and each rank's gradient. When
/// each rank has updated its range of the parameters, every rank sees all new parameters. No
/// message is sent.
class NodeMemory {
  public:
    /// For `count` parameters; all ranks must be on one node.
    NodeMemory(const Comm& comm, std::size_t count);
    /// Collective. So it must not run because of an error that only one rank has (Session).
    ~NodeMemory();
    NodeMemory(const NodeMemory&) = delete;
    NodeMemory& operator=(const NodeMemory&) = delete;

    /// True if the system has room for it; the same answer on every rank.
    static bool fit(const Comm& comm, std::size_t count);

    nn_real* parameters() { return parameters_; }
    std::span<nn_real* const> gradients() const { return gradients_; }  ///< of each rank
    /// Waits until every rank has called it; after it, each rank sees what the others wrote before
    /// it.
    void barrier();

  private:
    struct State;
    std::unique_ptr<State> state_;
    nn_real* parameters_ = nullptr;
    std::vector<nn_real*> gradients_;
};
