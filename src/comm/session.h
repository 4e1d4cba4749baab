// session.h: MPI from start to end.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "comm/comm.h"

/// One object, in main(). It owns the node memory, which only all ranks together can free
/// (Comm::node_memory). So an error of one rank, which ends all ranks at once, never waits for the
/// others.
class Session {
  public:
    /// Starts MPI. The ranks do nothing together yet.
    Session(int& argc, char**& argv);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    int rank() const { return rank_; }
    int size() const { return size_; }
    /// Returns the text of every rank, on every rank. Collective, and the first call that is: the
    /// lengths go before the texts, as bytes and ints, so ranks of different binaries understand
    /// each other.
    std::vector<std::string> exchange(const std::string& mine) const;
    /// Makes what the ranks do all else with (Comm). Collective.
    const Comm& join(int ranks_per_node = 0);
    /// Prints "main: rank R of P: message" and ends all ranks at once with `code`.
    [[noreturn]] void abort_all(const std::string& message, int code) const;

  private:
    int rank_ = 0, size_ = 1;
    std::unique_ptr<const Comm> comm_;
};
