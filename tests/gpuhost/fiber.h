// fiber.h: a thread of control with a stack of its own that runs only when it is told to.
//
// Boost.Context's bare context switch (5 times faster than ucontext, 300 times faster than threads
// with barriers) plus what AddressSanitizer and ThreadSanitizer have to be told at each switch. The
// file that includes this is compiled WITHOUT -fsanitize, for instrumented code must not run
// between telling the sanitizer about a switch and doing it; -DGPUHOST_ASAN or -DGPUHOST_TSAN says
// which sanitizer the rest of the program is built with.
#pragma once
#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <new>
#ifdef GPUHOST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef GPUHOST_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace gpuhost {
namespace context = boost::context::detail;

/// ThreadSanitizer's notion of "who is running", and of what has happened before what. With any
/// other sanitizer, or none, all of it does nothing.
namespace tsan {
#ifdef GPUHOST_TSAN
inline constexpr bool on = true;
inline void* create() { return __tsan_create_fiber(0); }
inline void* current() { return __tsan_get_current_fiber(); }
/// Without the flag, each switch would itself order what comes before and after: no race would
/// show.
inline void become(void* who) { __tsan_switch_to_fiber(who, __tsan_switch_to_fiber_no_sync); }
inline void release(void* tag) { __tsan_release(tag); }
inline void acquire(void* tag) { __tsan_acquire(tag); }
#else
inline constexpr bool on = false;
inline void* create() { return nullptr; }
inline void* current() { return nullptr; }
inline void become(void*) {}
inline void release(void*) {}
inline void acquire(void*) {}
#endif
}  // namespace tsan

/// The stack that resumes the fibers: the program's own. There is one, as one thread runs all.
struct HostStack {
    context::fcontext_t state = nullptr;
    void* tsan = nullptr;
    // AddressSanitizer's: the extent of the stack, and its record of the stack's frames.
    const void* bottom = nullptr;
    std::size_t size = 0;
    void* frames = nullptr;
};
inline HostStack host_stack;

class Fiber {
  public:
    using Body = void (*)();

    Fiber() : stack_(map_stack()), tsan_(tsan::create()) {}
    ~Fiber() { munmap(stack_, guard_bytes + stack_bytes); }
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// The next resume() starts `body` on an empty stack. `number` staggers the stacks' tops, which
    /// would otherwise all fall into the same cache sets.
    void prepare(Body body, std::size_t number) {
        body_ = body;
        const std::size_t room = stack_bytes - number % 64 * 832;
        state_ = context::make_fcontext(stack_ + guard_bytes + room, room, &Fiber::enter);
    }

    /// Who it is to ThreadSanitizer.
    void* identity() const { return tsan_; }

    /// Called on the host's stack: runs the fiber until it pauses or ends.
    void resume() {
#ifdef GPUHOST_ASAN
        __sanitizer_start_switch_fiber(&host_stack.frames, stack_ + guard_bytes, stack_bytes);
#endif
        tsan::become(tsan_);
        state_ = context::jump_fcontext(state_, this).fctx;
#ifdef GPUHOST_ASAN
        __sanitizer_finish_switch_fiber(host_stack.frames, nullptr, nullptr);
#endif
    }

    /// Called by the fiber itself: goes back to the host's stack until somebody resumes it.
    void pause() { leave(&frames_); }

  private:
    static constexpr std::size_t guard_bytes = 64 * 1024;  // an overflowing stack stops here
    static constexpr std::size_t stack_bytes = 256 * 1024;

    static char* map_stack() {
        void* memory = mmap(nullptr, guard_bytes + stack_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory, guard_bytes, PROT_NONE) != 0)
            throw std::bad_alloc();
        return static_cast<char*>(memory);
    }

    static void enter(context::transfer_t from) noexcept {
        host_stack.state = from.fctx;
        auto* self = static_cast<Fiber*>(from.data);
#ifdef GPUHOST_ASAN
        __sanitizer_finish_switch_fiber(nullptr, &host_stack.bottom, &host_stack.size);
#endif
        self->body_();
        self->leave(nullptr);  // null: the sanitizer may forget this stack's frames
    }

    void leave([[maybe_unused]] void** frames) {
#ifdef GPUHOST_ASAN
        __sanitizer_start_switch_fiber(frames, host_stack.bottom, host_stack.size);
#endif
        tsan::become(host_stack.tsan);
        host_stack.state = context::jump_fcontext(host_stack.state, nullptr).fctx;
#ifdef GPUHOST_ASAN
        __sanitizer_finish_switch_fiber(frames_, &host_stack.bottom, &host_stack.size);
#endif
    }

    char* stack_;
    context::fcontext_t state_ = nullptr;
    Body body_ = nullptr;
    void* frames_ = nullptr;
    void* tsan_;
};
}  // namespace gpuhost
