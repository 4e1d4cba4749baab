// comm.h: the collectives that training needs, every call checked.
//
// A call that fails throws Failure with file, line, the call and MPI's own words. All functions are
// collective unless they say otherwise: every rank calls them, in the same order. MPI itself is met
// in this folder alone.
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

class NodeMemory;

/// Another rank had the InputError and prints it; this one only has to end with exit_bad_input.
struct InputErrorElsewhere {};

/// All ranks, MPI_COMM_WORLD.
class Comm {
  public:
    /// MPI has to be running (Session).
    Comm();
    ~Comm();
    Comm(const Comm&) = delete;
    Comm& operator=(const Comm&) = delete;

    int rank() const { return rank_; }
    int size() const { return size_; }
    bool is_root() const { return rank_ == 0; }
    /// Among the ranks that share memory with this one.
    int node_rank() const { return node_rank_; }
    int node_size() const { return node_size_; }

    void broadcast(std::span<std::uint8_t> bytes) const;  ///< from rank 0, any length
    void broadcast(std::span<std::uint32_t> words) const;
    void broadcast(std::span<nn_real> values) const;

    /// Rank 0's value.
    template <class T>
    T from_root(T value) const {
        static_assert(std::is_trivially_copyable_v<T>);
        broadcast(std::span(reinterpret_cast<std::uint8_t*>(&value), sizeof value));
        return value;
    }

    /// values[i] becomes the sum of values[i] over the ranks. May be device memory if
    /// is_cuda_aware().
    void sum(nn_real* values, std::size_t count) const;
    double sum(double value) const;
    /// Over the ranks that share memory with this one.
    void sum_on_node(std::span<int> values) const;
    bool all(bool value) const;  ///< true if it is on every rank
    int least(int value) const;  ///< over the ranks

    /// Every rank's values, one rank's behind the other's, go to the front of rank 0's `all`; they
    /// are at most 2^31 - 1 together. Other ranks need no `all`.
    void gather(std::span<const nn_real> mine, std::span<nn_real> all) const;

    /// One line from each rank, on rank 0 only; empty elsewhere.
    std::vector<std::string> gather(const std::string& line) const;

    /// Runs `action` on every rank. If it throws InputError anywhere, the lowest such rank throws
    /// that error and all others throw InputErrorElsewhere.
    void together(const std::function<void()>& action) const;

    /// Memory for `count` parameters that all ranks see, all of them being on one node; or null,
    /// on every rank, where the system has no room for it. It lives as long as this object.
    NodeMemory* node_memory(std::size_t count) const;

    /// This machine, as MPI calls it. Not collective.
    static std::string host_name();
    /// Whether this MPI says at run time that it takes device pointers. Not collective.
    static bool is_cuda_aware();
    /// The library's name and version, "Open MPI v4.1.4". Not collective.
    static std::string library_version();

  private:
    int rank_ = 0, size_ = 1, node_rank_ = 0, node_size_ = 1;
    mutable std::vector<std::unique_ptr<NodeMemory>> node_memory_;
};
