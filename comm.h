// comm.h: the MPI that this program uses, every call checked.
//
// Session starts and ends MPI; Comm is MPI_COMM_WORLD with the few collectives that training needs.
// A call that fails throws Failure with file, line, the call and MPI's own words. All functions are
// collective unless they say otherwise: every rank calls them, in the same order.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "error.h"
#include "nn_real.h"

/// Another rank had the InputError and prints it; this one only has to end with exit_bad_input.
struct InputErrorElsewhere {};

class Comm {
  public:
    /// MPI has to be running (Session).
    Comm();

    int rank() const { return rank_; }
    int size() const { return size_; }
    bool is_root() const { return rank_ == 0; }
    int node_rank() const {
        return node_rank_;
    }  ///< among the ranks that share memory with this one

    void broadcast(std::span<std::uint8_t> bytes) const;  ///< from rank 0, any length
    void broadcast(std::span<std::uint32_t> words) const;
    void broadcast(std::span<nn_real> values) const;

    std::uint64_t from_root(std::uint64_t value) const;  ///< rank 0's value

    /// Rank 0 hands counts[r] bytes, one after another in `all`, to rank r, which has room for them
    /// in `mine`. `all` and `counts` are read on rank 0 only.
    void scatter(std::span<const std::uint8_t> all, std::span<const int> counts,
                 std::span<std::uint8_t> mine) const;

    /// values[i] becomes the sum of values[i] over the ranks. With Open MPI the same bits on every
    /// rank and in every run with the same number of ranks (ranks_agree() checks it). May be device
    /// memory if is_cuda_aware().
    void sum(nn_real* values, std::size_t count) const;
    double sum(double value) const;
    bool all(bool value) const;  ///< true if it is on every rank

    /// One line from each rank, on rank 0 only; empty elsewhere.
    std::vector<std::string> gather(const std::string& line) const;

    /// Runs `action` on every rank. If it throws InputError anywhere, the lowest such rank throws
    /// that error and all others throw InputErrorElsewhere.
    void together(const std::function<void()>& action) const;

    /// Whether this MPI says at run time that it takes device pointers. Not collective.
    static bool is_cuda_aware();
    /// The library's name and version, "Open MPI v4.1.4". Not collective.
    static std::string library_version();

  private:
    int rank_ = 0, size_ = 1, node_rank_ = 0;
};

/// Samples of a mini-batch of `batch` that rank `rank` of `size` works on: contiguous, and the
/// first batch mod size ranks take one more.
struct Slice {
    int first, count;
};
constexpr Slice slice_of(int batch, int rank, int size) {
    const int share = batch / size, extra = batch % size;
    return {rank * share + (rank < extra ? rank : extra), share + (rank < extra ? 1 : 0)};
}

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
