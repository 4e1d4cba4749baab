// team.h: the threads of one rank, which do one piece of work together.
//
// The calling thread is one of them; if it is the only one, it never waits. All meet at a barrier
// before a piece of work and after it; a thread that waits there spins for a short time and then
// sleeps (wait.h). OpenMP is not used: its threads spin after every loop, which slows down a
// machine with other work.
#pragma once
#include <exception>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/range.h"
#include "base/wait.h"

class Team {
  public:
    /// Throws Failure if the system gives no more threads.
    explicit Team(int threads)
        : size_(threads), errors_(static_cast<std::size_t>(threads)), barrier_(threads) {
        try {
            for (int t = 1; t < threads; ++t) others_.emplace_back([this, t] { serve(t); });
        } catch (const std::system_error& error) {
            end_others();
            throw Failure(__FILE__, __LINE__, "starting " + std::to_string(threads) + " threads",
                          error.what(), "use fewer (--threads)");
        }
    }
    ~Team() { end_others(); }
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    int size() const { return size_; }

    /// Runs work(t) for every t in [0, size()), each on its own thread, and waits for all. If some
    /// of them threw, it then throws what the first of them threw.
    template <class Work>
    void run(Work&& work) {
        if (size_ == 1) return work(0);
        data_ = &work;
        work_ = [](void* data, int t) { (*static_cast<std::remove_reference_t<Work>*>(data))(t); };
        barrier_.wait();
        attempt(0);
        barrier_.wait();
        std::exception_ptr first;
        for (std::exception_ptr& error : errors_)
            if (const auto thrown = std::exchange(error, nullptr); !first) first = thrown;
        if (first) std::rethrow_exception(first);
    }

  private:
    void end_others() {
        work_ = nullptr;
        // Arrives for the threads that the system did not start.
        for (int t = 1 + static_cast<int>(others_.size()); t < size_; ++t) barrier_.arrive();
        barrier_.wait();
        for (std::thread& other : others_) other.join();
    }
    void attempt(int t) {
        try {
            work_(data_, t);
        } catch (...) {
            errors_[static_cast<std::size_t>(t)] = std::current_exception();
        }
    }
    void serve(int t) {
        for (;;) {
            barrier_.wait();
            if (work_ == nullptr) return;
            attempt(t);
            barrier_.wait();
        }
    }

    int size_;
    void (*work_)(void*, int) = nullptr;
    void* data_ = nullptr;
    std::vector<std::exception_ptr> errors_;
    Barrier barrier_;  ///< for all threads, with the calling one
    std::vector<std::thread> others_;
};
