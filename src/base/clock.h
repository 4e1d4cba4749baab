// clock.h: the one way to take time.
//
// A Span counts the seconds of its scope for one kind of work. Spans may nest. While an inner span
// runs, the outer one does not count, so every second counts once. Evaluation is the exception:
// every second within it counts as evaluation. Only the thread that calls MPI takes spans.
#pragma once
#include <chrono>

enum class Work { data, compute, communication, evaluation };

/// Seconds since the program's start, by kind of work.
struct TimeSplit {
    double data = 0, compute = 0, communication = 0, evaluation = 0;
};
const TimeSplit& time_split();
/// What was added between two of them.
TimeSplit operator-(const TimeSplit& later, const TimeSplit& earlier);

class Span {
  public:
    explicit Span(Work work);
    ~Span();
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

  private:
    using Clock = std::chrono::steady_clock;
    void count();  ///< adds the seconds since start_

    Work work_;
    Span* outer_;
    Clock::time_point start_;
};

/// Counts the seconds since its construction.
class Stopwatch {
  public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};
