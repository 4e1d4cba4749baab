// timeline.h: when each piece of a step began and ended on this rank, for --trace.
//
// Until start() was called, a Traced costs one look at a flag. Then it notes its scope, until the
// memory that was reserved is full, which ends the record between two steps. Only the thread that
// calls MPI notes; of a replica's threads, it stands for the others, which do the same at the same
// time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace timeline {

/// A piece of work: its name, a text that lives as long as the program, and the number of the layer
/// or part that it is about, or -1. Seconds of the steady clock of this machine.
struct Event {
    const char* name;
    int number;
    double start, end;
};

/// Begins a record of at most about `most` events.
void start(std::size_t most);
void stop();
bool is_on();
/// A step begins: the last moment to end the record if there is little memory left.
void step_begins();
/// Notes a piece of work that another piece may cut: start in one, end in another.
void note(const Event& event);
/// All that was noted, in the order of the ends.
const std::vector<Event>& events();
std::size_t steps();  ///< noted as a whole
double now();

}  // namespace timeline

class Traced {
  public:
    explicit Traced(const char* name, int number = -1)
        : name_(timeline::is_on() ? name : nullptr), number_(number) {
        if (name_ != nullptr) start_ = timeline::now();
    }
    /// For thread t of a replica: only thread 0, which calls MPI, notes.
    Traced(int t, const char* name, int number = -1) : Traced(t == 0 ? name : nullptr, number) {}
    ~Traced() {
        if (name_ != nullptr) note();
    }
    Traced(const Traced&) = delete;
    Traced& operator=(const Traced&) = delete;

  private:
    void note() const;

    const char* name_;  ///< null: nothing is noted
    int number_;
    double start_ = 0;
};
