// reference_progress.h: the line that says how far the comparison with the reference is.
//
// The reference is serial and slow: with grade 1, its steps take minutes after the last line of the
// trainer. Without a word, a person would take it for a hang.
#pragma once
#include <cstddef>

#include "base/clock.h"

class ReferenceProgress {
  public:
    /// A line every half second on a terminal, where each replaces the one before; else every ten.
    ReferenceProgress();
    ReferenceProgress(bool terminal, double seconds_between_lines)
        : terminal_(terminal), every_(seconds_between_lines) {}
    /// Takes the last line off a terminal.
    ~ReferenceProgress();
    ReferenceProgress(const ReferenceProgress&) = delete;
    ReferenceProgress& operator=(const ReferenceProgress&) = delete;

    /// Prints a line if it is time for one. `done` of `all` steps are compared.
    void tell(std::size_t done, std::size_t all);

  private:
    bool terminal_, open_ = false;
    double every_, told_ = 0;
    Stopwatch watch_;
};
