// comm.h: the collectives that training needs, every call checked.
//
// A call that fails throws Failure with file, line, the call and MPI's own message. All functions
// are collective unless they say otherwise: every rank calls them, in the same order. Only this
// folder includes mpi.h.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/real.h"
#include "comm/group.h"

class NodeMemory;
class Window;

/// Thrown on the other ranks if one rank throws InputError. That rank prints the message. The
/// others only end with exit_bad_input.
struct InputErrorElsewhere {};

/// All ranks, counted node by node: the ranks of a node follow one another. The ranks of a node
/// share memory.
class Comm {
  public:
    /// MPI must be running (Session). If `ranks_per_node` is not 0, the ranks of each machine are
    /// counted as several nodes of so many ranks, to try on one machine what several nodes do.
    explicit Comm(int ranks_per_node = 0);
    ~Comm();
    Comm(const Comm&) = delete;
    Comm& operator=(const Comm&) = delete;

    int rank() const { return rank_; }
    int size() const { return size_; }
    bool is_root() const { return rank_ == 0; }
    /// This rank's number among the ranks of its node.
    int node_rank() const { return node_rank_; }
    int node_size() const { return node_size_; }
    int node() const { return node_; }
    int nodes() const { return nodes_; }

    const Group& all_ranks() const { return *all_; }
    /// The ranks with this rank's number on their nodes, in the order of the nodes.
    const Group& across_nodes() const { return *across_; }

    void broadcast(std::span<std::uint8_t> bytes) const;  ///< from rank 0, any length
    void broadcast(std::span<nn_real> values) const;

    /// Returns rank 0's value on every rank.
    template <class T>
    T from_root(T value) const {
        static_assert(std::is_trivially_copyable_v<T>);
        broadcast(std::span(reinterpret_cast<std::uint8_t*>(&value), sizeof value));
        return value;
    }

    double sum(double value) const;
    /// values[i] becomes the sum of values[i] over the ranks of this node.
    void sum_on_node(std::span<int> values) const;
    bool all(bool value) const;  ///< true if `value` is true on every rank
    int least(int value) const;  ///< the least value of all ranks

    /// Copies the values of all ranks, in the order of the ranks, to the beginning of `all` on rank
    /// 0. Together they are at most 2^31 - 1. Other ranks pass an empty `all`.
    void gather(std::span<const nn_real> mine, std::span<nn_real> all) const;

    /// Returns one line from each rank on rank 0, and nothing on the other ranks.
    std::vector<std::string> gather(const std::string& line) const;

    /// On rank 0: the seconds by which each rank's steady clock is ahead of rank 0's, found by
    /// messages to and fro. 0 where the way of a message is too long to tell. Empty elsewhere.
    std::vector<double> clocks_ahead() const;

    /// Runs `action` on every rank. If it throws InputError on some ranks, the lowest of them
    /// throws that error and all other ranks throw InputErrorElsewhere.
    void together(const std::function<void()>& action) const;

    /// Memory that the ranks of this node see, and a barrier in it (NodeMemory). Null on every rank
    /// if a system has no room for it. It lives as long as this object.
    NodeMemory* node_memory(std::size_t bytes, int waiters) const;

    /// Memory on rank 0 that every rank reads and changes by itself (Window). It lives until the
    /// next call, or as long as this object. Throws InputError on every rank if there is no room.
    Window& window(std::size_t numbers, std::size_t values) const;

    /// MPI's name of this machine. Not collective.
    static std::string host_name();
    /// True if this MPI says at run time that it takes device pointers. Not collective.
    static bool is_cuda_aware();
    /// The library's name and version, "Open MPI v4.1.4". Not collective.
    static std::string library_version();

  private:
    int nodes_here_ = 1;  ///< nodes of this machine; more than one only by `ranks_per_node`
    std::unique_ptr<const Group> on_node_, all_, across_;
    int rank_ = 0, size_ = 1, node_rank_ = 0, node_size_ = 1, node_ = 0, nodes_ = 1;
    mutable std::vector<std::unique_ptr<NodeMemory>> node_memory_;
    mutable std::unique_ptr<Window> window_;
};
