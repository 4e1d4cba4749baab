// gpuhost_block.h: the threads of a block, for the files that run them.
//
// One block runs at a time, and its state is `block`. Blocks that are resident together
// (gpuhost_together.cpp) take turns to be it. Compile without -fsanitize: see fiber.h.
#pragma once
#include <deque>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "fiber.h"
#include "gpuhost.h"
#include "gpuhost_product.h"

namespace gpuhost {
inline constexpr int lanes = warpSize;

/// Who polls waits until its block's next turn.
enum class State { ready, at_barrier, at_warp_meeting, polling, ended };

/// Blocks use fibers again. ThreadSanitizer takes all that a fiber does for the work of one thread,
/// so for it neighbouring blocks get different fibers, or a race between them would not show.
inline constexpr std::size_t fibers_each = tsan::on ? 2 : 1;

struct Thread {
    Fiber fibers[fibers_each];
    Fiber* fiber = nullptr;  ///< the one in use
    uint3 index{};
    int number = 0;  ///< in the block, x fastest
    State state = State::ended;
    bool waited = false;  ///< for the kernel before
    Place where;          ///< the barrier or shuffle it was last at
    // What it brought to a meeting of lanes; afterwards, `bits` is what it takes away.
    unsigned mask = 0;
    int source = 0;
    std::uint64_t bits = 0;
    Fragments fragments{};
    // Copies it started and has not waited for, from `copied` on, and the groups that it has ended.
    std::vector<Copy> copies;
    std::size_t copied = 0, groups = 0;

    int lane() const { return number % lanes; }
};

/// The block that runs.
struct Block {
    std::vector<Thread*> threads;
    std::size_t number = 0;  ///< counts blocks over the life of the process
    std::size_t ended = 0, at_barrier = 0;
    bool votes = false, voted = false;  ///< of __syncthreads_or: this one's, and the last one's
    Thread* current = nullptr;
    const ThreadBody* body = nullptr;
    std::vector<SharedArray*> shared_arrays;  ///< those that have memory
    std::size_t shared_bytes = 0;
    /// Dynamic shared memory, of exactly its bytes, so that a sanitizer sees where it ends.
    char* dynamic = nullptr;
    std::size_t dynamic_bytes = 0;
    /// Addresses that stand for the barrier (first) and for each lane's meetings. They are new in
    /// each block: ThreadSanitizer's memory of who met there must not reach into the next.
    std::unique_ptr<char[]> meeting_tags;
};
extern Block block;
/// How often anything came about that others may wait for.
extern std::size_t progress;
extern char launch_begins, launch_ends;  ///< ThreadSanitizer's tags

[[noreturn]] void die(const std::string& what);
[[noreturn]] void die_of_deadlock();
std::string name_of(uint3 index);
std::string name_of(Place where);
std::string name_of(const Thread& thread);
Thread& current_thread();

/// Those of a warp that meet: by lane, in ascending order.
using Members = std::span<Thread* const>;
/// Waits for the lanes of `mask` at the same place. The last one to arrive does `finish` for all.
void meet_lanes(unsigned mask, Place where, void (*finish)(Members));

/// 0 .. count-1, in the order that was asked for.
std::vector<std::size_t> turns(std::size_t count, std::mt19937& random);
/// A generator for the next launch, in which its order is its own.
std::mt19937 generator_of_launch();
/// Threads `first` to first + count - 1 of those that all launches use.
std::vector<Thread*> threads_of_pool(std::size_t first, std::size_t count);
uint3 index_of(std::size_t number, dim3 size);
/// The threads of `block` are about to begin.
void start_threads();
/// Runs the threads of `block` until none is ready. Returns whether any was.
bool run_ready_threads(std::mt19937& random);
/// All threads of `block` have ended.
void end_block();
}  // namespace gpuhost
