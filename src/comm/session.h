// session.h: MPI from start to end.
#pragma once
#include <memory>
#include <string>

#include "comm/comm.h"

/// One object, in main(). It owns the node memory, which only all ranks together can free
/// (Comm::node_memory). So an error of one rank, which ends all ranks at once, never waits for the
/// others.
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
