// comm.h: the MPI that this program uses, every call checked.
//
// Session starts and ends MPI; Comm is MPI_COMM_WORLD with the few collectives that training needs;
// Scatter is one that goes on meanwhile; SharedParameters is MPI's shared memory.
// A call that fails throws Failure with file, line, the call and MPI's own words. All functions are
// collective unless they say otherwise: every rank calls them, in the same order.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/range.h"
#include "base/real.h"

/// Another rank had the InputError and prints it; this one only has to end with exit_bad_input.
struct InputErrorElsewhere {};

class Comm {
  public:
    /// MPI has to be running (Session).
    Comm();

    int rank() const { return rank_; }
    int size() const { return size_; }
    bool is_root() const { return rank_ == 0; }
    /// Among the ranks that share memory with this one.
    int node_rank() const { return node_rank_; }
    int node_size() const { return node_size_; }

    void broadcast(std::span<std::uint8_t> bytes) const;  ///< from rank 0, any length
    void broadcast(std::span<std::uint32_t> words) const;
    void broadcast(std::span<nn_real> values) const;

    std::uint64_t from_root(std::uint64_t value) const;  ///< rank 0's value

    /// values[i] becomes the sum of values[i] over the ranks. With Open MPI the same bits on every
    /// rank and in every run with the same number of ranks (ranks_agree() checks it). May be device
    /// memory if is_cuda_aware().
    void sum(nn_real* values, std::size_t count) const;
    double sum(double value) const;
    /// Over the ranks that share memory with this one.
    void sum_on_node(std::span<int> values) const;
    bool all(bool value) const;  ///< true if it is on every rank

    /// Every rank's values, one rank's behind the other's, go to the front of rank 0's `all`; they
    /// are at most 2^31 - 1 together. Other ranks need no `all`.
    void gather(std::span<const nn_real> mine, std::span<nn_real> all) const;

    /// One line from each rank, on rank 0 only; empty elsewhere.
    std::vector<std::string> gather(const std::string& line) const;

    /// Runs `action` on every rank. If it throws InputError anywhere, the lowest such rank throws
    /// that error and all others throw InputErrorElsewhere.
    void together(const std::function<void()>& action) const;

    /// This machine, as MPI calls it. Not collective.
    static std::string host_name();
    /// Whether this MPI says at run time that it takes device pointers. Not collective.
    static bool is_cuda_aware();
    /// The library's name and version, "Open MPI v4.1.4". Not collective.
    static std::string library_version();

  private:
    int rank_ = 0, size_ = 1, node_rank_ = 0, node_size_ = 1;
};

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

/// Memory that all ranks see, where all are on one node: one array of parameters and each rank's
/// gradient. After each rank has updated its part of the parameters, all have the new ones, with no
/// message sent.
class SharedParameters {
  public:
    /// For `count` parameters; the ranks have to be on one node.
    SharedParameters(const Comm& comm, std::size_t count);
    /// Collective. So it must not be reached by one rank's error alone: main.cpp keeps the object
    /// where such an error ends all ranks first.
    ~SharedParameters();
    SharedParameters(const SharedParameters&) = delete;
    SharedParameters& operator=(const SharedParameters&) = delete;

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

using Slice = Range;
constexpr Slice slice_of(int batch, int rank, int size) { return shard_of(batch, rank, size); }

/// MPI from start to end: one object, in main().
class Session {
  public:
    Session(int& argc, char**& argv);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    const Comm& comm() const { return *comm_; }
    /// Prints "main: rank R of P: message" and ends all ranks at once with `code`.
    [[noreturn]] void abort_all(const std::string& message, int code) const;

  private:
    std::unique_ptr<const Comm> comm_;
};
