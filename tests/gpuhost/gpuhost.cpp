// gpuhost.cpp: runs the blocks of a grid, and the threads of a block, on one CPU thread.
//
// Blocks run one after another (gpuhost_together.cpp: side by side). The threads of a block are
// fibers: each runs until it waits at a barrier, a shuffle or a product on tensor cores, and
// whoever completes the meeting lets all that met go on. A program that CUDA leaves undefined
// (threads at different barriers, a wrong mask) ends with a message that names the lines and the
// threads.
//
// ThreadSanitizer sees fibers as threads and is told here what orders them: the start and the end
// of the launch, each __syncthreads and each __syncwarp, and nothing else: shuffles and products
// pass registers on and promise nothing about memory. As blocks get no order among each other,
// races between neighbouring blocks show too. Compile without -fsanitize: see fiber.h.
#include "gpuhost.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <numeric>
#include <utility>
#ifdef GPUHOST_ASAN
#include <sanitizer/asan_interface.h>
#endif

#include "gpuhost_block.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace gpuhost {
Block block;
std::size_t progress = 0;
char launch_begins, launch_ends;

namespace {
constexpr std::size_t most_shared_bytes = 48 * 1024;  // of static arrays, on every GPU

}  // namespace

std::string name_of(uint3 index) {
    return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," +
           std::to_string(index.z) + ")";
}

std::string name_of(Place where) {
    return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

std::string name_of(const Thread& thread) {
    return "thread " + name_of(thread.index) + " at " + name_of(thread.where);
}

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "gpuhost: block %s: %s\n", name_of(blockIdx).c_str(), what.c_str());
    std::abort();
}

namespace {
bool same(Place a, Place b) { return a.line() == b.line() && a.column() == b.column(); }

/// Tells ThreadSanitizer that all members met: what each did before comes before what any does
/// after. The last to arrive says so for everybody. Had each waiting fiber said it for itself when
/// it is resumed, it would also be ordered after whatever ran in between, and races there would
/// hide.
void order_members(std::span<Thread* const> members, char* tag) {
    for (Thread* member : members) {
        tsan::become(member->fiber->identity());
        tsan::release(tag);
    }
    for (Thread* member : members) {
        tsan::become(member->fiber->identity());
        tsan::acquire(tag);
    }
    tsan::become(block.current->fiber->identity());
}

void finish_barrier() {
    const Thread& first = *block.threads.front();
    for (Thread* thread : block.threads) {
        if (!same(thread->where, first.where))
            die(name_of(first) + " and " + name_of(*thread) +
                " meet at different barriers: let all of a block reach the same __syncthreads");
        thread->state = State::ready;
    }
    block.at_barrier = 0;
    block.voted = std::exchange(block.votes, false);
    ++progress;
    order_members(block.threads, &block.meeting_tags[0]);
}

void exchange(Members members) {
    std::uint64_t brought[lanes];
    for (const Thread* member : members) brought[member->lane()] = member->bits;
    for (Thread* member : members) {
        const bool from_member = member->source >= 0 && member->source < lanes &&
                                 (member->mask >> member->source & 1u) != 0;
        member->bits = from_member ? brought[member->source] : ~std::uint64_t{0};
    }
}

/// Run by each fiber.
void thread_main() {
    tsan::acquire(&launch_begins);
    (*block.body)();
    tsan::release(&launch_ends);
    const Thread& self = *block.current;
    if (!self.copies.empty())
        die("thread " + name_of(self.index) +
            " ends and has not waited for a copy that it started at " +
            name_of(self.copies[self.copied].where));
    block.current->state = State::ended;
    ++block.ended;
    ++progress;
}
}  // namespace

/// Every thread that has not ended waits. Names one of them and what it waits for.
[[noreturn]] void die_of_deadlock() {
    std::vector<const Thread*> all_waiting;
    std::ranges::copy_if(block.threads, std::back_inserter(all_waiting),
                         [](const Thread* thread) { return thread->state != State::ended; });
    const Thread& waiting = *all_waiting.front();
    for (const Thread* other : all_waiting)
        if (!same(other->where, waiting.where))
            die(name_of(waiting) + " and " + name_of(*other) +
                " wait for each other: let all that have to meet reach the same line");
    for (const Thread* other : block.threads)
        if (other->state == State::ended)
            die(name_of(waiting) + " waits for thread " + name_of(other->index) +
                ", which has ended: let every thread reach the barrier or shuffle");
    die(name_of(waiting) + " waits for lanes that give another mask: give all the same");
}

uint3 index_of(std::size_t number, dim3 size) {
    const auto n = static_cast<unsigned>(number);
    return {n % size.x, n / size.x % size.y, n / (size.x * size.y)};
}

void start_threads() {
    block.ended = block.at_barrier = 0;
    block.votes = false;
    block.meeting_tags = std::make_unique<char[]>(block.threads.size() + 1);
    for (std::size_t i = 0; i < block.threads.size(); ++i) {
        Thread& thread = *block.threads[i];
        thread.number = static_cast<int>(i);
        thread.index = index_of(i, blockDim);
        thread.state = State::ready;
        std::vector<Copy>().swap(thread.copies);  // its memory came from the fiber before
        thread.copied = thread.groups = 0;
        thread.fiber = &thread.fibers[block.number % fibers_each];
        thread.fiber->prepare(thread_main, i);
    }
    ++block.number;
}

std::vector<std::size_t> turns(std::size_t count, std::mt19937& random) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (config().order == Order::reverse) std::reverse(order.begin(), order.end());
    if (config().order == Order::random) std::shuffle(order.begin(), order.end(), random);
    return order;
}

bool run_ready_threads(std::mt19937& random) {
    std::vector<std::size_t> order = turns(block.threads.size(), random);
    bool any = false;
    for (bool moved = true; moved && block.ended < block.threads.size(); any = any || moved) {
        moved = false;
        for (const std::size_t i : order) {
            Thread& thread = *block.threads[i];
            if (thread.state != State::ready) continue;
            block.current = &thread;
            threadIdx = thread.index;
            thread.fiber->resume();
            moved = true;
        }
        if (config().order == Order::random) std::shuffle(order.begin(), order.end(), random);
    }
    block.current = nullptr;
    return any;
}

void end_block() {
    tsan::acquire(&launch_ends);
    for (SharedArray* array : block.shared_arrays) array->close();
    block.shared_arrays.clear();
    block.shared_bytes = 0;
}

Thread& current_thread() {
    if (block.current) return *block.current;
    std::fprintf(stderr, "gpuhost: a device function was called outside a kernel\n");
    std::abort();
}

std::mt19937 generator_of_launch() {
    static unsigned launches = 0;
    return std::mt19937(config().seed + launches++);
}

std::vector<Thread*> threads_of_pool(std::size_t first, std::size_t count) {
    static std::deque<Thread> pool;
    while (pool.size() < first + count) pool.emplace_back();
    std::vector<Thread*> threads;
    for (std::size_t i = first; i < first + count; ++i) threads.push_back(&pool[i]);
    return threads;
}

void run_grid(dim3 grid, dim3 size, const ThreadBody& thread_body) {
    if (block.current) die("a kernel launches a kernel, which gpuhost does not do");
    std::mt19937 random = generator_of_launch();
    block.threads = threads_of_pool(0, std::size_t{size.x} * size.y * size.z);
    block.body = &thread_body;
    gridDim = grid;
    blockDim = size;
    host_stack.tsan = tsan::current();
    tsan::release(&launch_begins);
    for (const std::size_t i : turns(std::size_t{grid.x} * grid.y * grid.z, random)) {
        blockIdx = index_of(i, grid);
        start_threads();
        run_ready_threads(random);
        if (block.ended < block.threads.size()) die_of_deadlock();
        end_block();
    }
}

int lane() { return current_thread().lane(); }

void start_early() { current_thread().waited = false; }
void note_wait() { current_thread().waited = true; }
void end_early() {
    const Thread& self = current_thread();
    if (!self.waited)
        die("thread " + name_of(self.index) +
            " has not waited for the kernel before, and its own may start early: call "
            "wait_for_kernel_before() first");
}

void block_barrier(Place where) {
    Thread& self = current_thread();
    self.where = where;
    self.state = State::at_barrier;
    if (++block.at_barrier == block.threads.size()) finish_barrier();
    self.fiber->pause();
}

bool block_vote(bool mine, Place where) {
    block.votes = block.votes || mine;
    block_barrier(where);
    return block.voted;
}

void meet_lanes(unsigned mask, Place where, void (*finish)(Members)) {
    Thread& self = current_thread();
    self.where = where;
    self.state = State::at_warp_meeting;
    self.mask = mask;
    if (!(mask >> self.lane() & 1u)) die(name_of(self) + " is not in the mask it gives");

    const auto thread_of = [&](int lane) {
        const auto number = static_cast<std::size_t>(self.number - self.lane() + lane);
        if (number >= block.threads.size())
            die(name_of(self) + " waits for lane " + std::to_string(lane) +
                ", which the block does not have: fill every warp, or name fewer lanes");
        return block.threads[number];
    };
    // From the next lane on: in most orders it is the one that has not arrived.
    bool all = true;
    for (int step = 1; step <= lanes && all; ++step) {
        const int lane = (self.lane() + step) % lanes;
        if (!(mask >> lane & 1u)) continue;
        const Thread* other = thread_of(lane);
        all = other->state == State::at_warp_meeting && other->mask == mask &&
              same(other->where, where);
    }
    if (all) {
        std::array<Thread*, lanes> members;
        std::size_t count = 0;
        for (int lane = 0; lane < lanes; ++lane)
            if (mask >> lane & 1u) members[count++] = thread_of(lane);
        finish({members.data(), count});
        for (std::size_t i = 0; i < count; ++i) members[i]->state = State::ready;
    }
    self.fiber->pause();
}

void warp_barrier(unsigned mask, Place where) {
    meet_lanes(mask, where, [](Members members) {
        order_members(members, &block.meeting_tags[1 + members.front()->number]);
    });
}

std::uint64_t warp_exchange(unsigned mask, std::uint64_t bits, int source, Place where) {
    Thread& self = current_thread();
    self.bits = bits;
    self.source = source;
    meet_lanes(mask, where, exchange);
    return self.bits;
}

void* SharedArray::open(std::size_t bytes, std::size_t alignment, Place where) {
    Thread& self = current_thread();
    self.where = where;
    if (data) {
        tsan::acquire(data);
        return data;
    }
    block.shared_bytes += bytes;
    if (block.shared_bytes > most_shared_bytes)
        die(name_of(self) + " brings the block's shared arrays to " +
            std::to_string(block.shared_bytes) + " bytes; a GPU has " +
            std::to_string(most_shared_bytes) + " for static ones");
    // An odd multiple of the alignment: a vector access that the array's type does not allow for
    // is then misaligned here too.
    const std::size_t step = alignment < 64 ? 64 + alignment : alignment;
    if (posix_memalign(&memory, 2 * std::max<std::size_t>(alignment, 64), step + bytes) != 0)
        throw std::bad_alloc();
    std::memset(memory, 0xff, step + bytes);
#ifdef GPUHOST_ASAN
    __asan_poison_memory_region(memory, step);
#endif
    data = static_cast<char*>(memory) + step;
    size = bytes;
    block.shared_arrays.push_back(this);
    tsan::release(data);
    return data;
}

void SharedArray::close() {
    std::free(memory);
    memory = data = nullptr;
}

}  // namespace gpuhost
