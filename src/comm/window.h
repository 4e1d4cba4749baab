// window.h: memory on one rank that every rank reads and changes by itself, one rank at a time.
//
// The other ranks do not take part: these are MPI's one-sided calls. Where all ranks share memory,
// MPI copies. Over a network, the rank that has the memory must call MPI, or the others wait: Open
// MPI does nothing while that rank computes. So that rank serves the others at its own visits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/real.h"
#include "comm/group.h"

class Window {
  public:
    /// Memory on the group's rank 0 for `numbers` whole numbers and `values` reals. `is_shared`:
    /// all ranks are on one node. Collective.
    Window(const Group& group, std::size_t numbers, std::size_t values, bool is_shared);
    /// Collective. So it must not run because of an error that only one rank has (Session).
    ~Window();
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

    /// The bytes that rank 0 needs for it.
    static std::size_t bytes(std::size_t numbers, std::size_t values);

    /// What a rank may do while it has the window for itself. All spans are as long as the memory.
    class Visit {
      public:
        void read(std::span<std::int64_t> numbers);  ///< they are there when it returns
        void write(std::span<const std::int64_t> numbers);
        void read(std::span<nn_real> values);  ///< they are there when the visit has ended
        void write(std::span<const nn_real> values);
        void add(std::span<const nn_real> values);  ///< to what is there

      private:
        friend class Window;
        explicit Visit(Window& window) : window_(window) {}
        Window& window_;
    };
    /// Waits for all ranks that have come before, and does `action`. When it returns, every later
    /// visitor finds what was written. Not collective.
    void visit(const std::function<void(Visit&)>& action);
    /// For who has found that he must wait: sleeps for a moment, and lets MPI serve other ranks.
    /// Not collective.
    void rest();

  private:
    void serve();
    void progress();  ///< MPI does what others want of this rank
    std::int64_t add_to(std::size_t at, std::int64_t change);
    struct Handle;
    const Group& group_;
    std::unique_ptr<Handle> handle_;
    bool is_shared_;
    std::size_t values_at_;  ///< bytes from the start of the memory
};
