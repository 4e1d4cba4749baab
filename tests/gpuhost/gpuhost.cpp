// gpuhost.cpp: runs the blocks of a grid, and the threads of a block, on one CPU thread.
//
// Blocks run one after another. The threads of a block are fibers: each runs until it waits at a
// barrier, a shuffle or a product on tensor cores, and whoever completes the meeting lets all that
// met go on. A program that CUDA leaves undefined (threads at different barriers, a wrong mask)
// ends with a message that names the lines and the threads.
//
// ThreadSanitizer sees fibers as threads and is told here what orders them: the start and the end
// of the launch, each __syncthreads and each __syncwarp, and nothing else: shuffles and products
// pass registers on and promise nothing about memory. As blocks get no order among each other,
// races between neighbouring blocks show too. Compile without -fsanitize: see fiber.h.
#include "gpuhost.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>
#ifdef GPUHOST_ASAN
#include <sanitizer/asan_interface.h>
#endif

#include "fiber.h"
#include "gpuhost_product.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace gpuhost {
namespace {
constexpr int lanes = warpSize;
constexpr std::size_t most_shared_bytes = 48 * 1024;  // of static arrays, on every GPU

enum class State { ready, at_barrier, at_warp_meeting, ended };

/// Blocks use fibers again. ThreadSanitizer takes all that a fiber does for the work of one thread,
/// so for it neighbouring blocks get different fibers, or a race between them would not show.
constexpr std::size_t fibers_each = tsan::on ? 2 : 1;

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
    Thread* current = nullptr;
    const ThreadBody* body = nullptr;
    std::vector<SharedArray*> shared_arrays;  ///< those that have memory
    std::size_t shared_bytes = 0;
    /// Addresses that stand for the barrier (first) and for each lane's meetings. They are new in
    /// each block: ThreadSanitizer's memory of who met there must not reach into the next.
    std::unique_ptr<char[]> meeting_tags;
};
Block block;
char launch_begins, launch_ends;  // ThreadSanitizer's tags

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
    order_members(block.threads, &block.meeting_tags[0]);
}

/// Those of a warp that meet: by lane, in ascending order.
using Members = std::span<Thread* const>;

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
}

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

void start_threads() {
    block.ended = block.at_barrier = 0;
    block.meeting_tags = std::make_unique<char[]>(block.threads.size() + 1);
    for (unsigned i = 0; i < block.threads.size(); ++i) {
        Thread& thread = *block.threads[i];
        thread.number = static_cast<int>(i);
        thread.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
        thread.state = State::ready;
        std::vector<Copy>().swap(thread.copies);  // its memory came from the fiber before
        thread.copied = thread.groups = 0;
        thread.fiber = &thread.fibers[block.number % fibers_each];
        thread.fiber->prepare(thread_main, i);
    }
    ++block.number;
}

void free_shared_arrays() {
    for (SharedArray* array : block.shared_arrays) array->close();
    block.shared_arrays.clear();
    block.shared_bytes = 0;
}

/// 0 .. count-1, backwards if that is asked for. Random order is for the user to shuffle.
std::vector<std::size_t> turns(std::size_t count) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (config().order == Order::reverse) std::reverse(order.begin(), order.end());
    return order;
}

void run_block(std::mt19937& random) {
    start_threads();
    std::vector<std::size_t> order = turns(block.threads.size());
    while (block.ended < block.threads.size()) {
        if (config().order == Order::random) std::shuffle(order.begin(), order.end(), random);
        bool moved = false;
        for (const std::size_t i : order) {
            Thread& thread = *block.threads[i];
            if (thread.state != State::ready) continue;
            block.current = &thread;
            threadIdx = thread.index;
            thread.fiber->resume();
            moved = true;
        }
        if (!moved) die_of_deadlock();
    }
    block.current = nullptr;
    tsan::acquire(&launch_ends);
    free_shared_arrays();
}

Thread& current_thread() {
    if (block.current) return *block.current;
    std::fprintf(stderr, "gpuhost: a device function was called outside a kernel\n");
    std::abort();
}
}  // namespace

void run_grid(dim3 grid, dim3 size, const ThreadBody& thread_body) {
    if (block.current) die("a kernel launches a kernel, which gpuhost does not do");
    static unsigned launches = 0;
    std::mt19937 random(config().seed + launches++);  // each launch in an order of its own
    static std::deque<Thread> pool;
    const std::size_t threads = std::size_t{size.x} * size.y * size.z;
    while (pool.size() < threads) pool.emplace_back();
    block.threads.clear();
    for (std::size_t i = 0; i < threads; ++i) block.threads.push_back(&pool[i]);
    block.body = &thread_body;
    gridDim = grid;
    blockDim = size;
    host_stack.tsan = tsan::current();
    tsan::release(&launch_begins);

    std::vector<std::size_t> order = turns(std::size_t{grid.x} * grid.y * grid.z);
    if (config().order == Order::random) std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) {
        const auto n = static_cast<unsigned>(i);
        blockIdx = {n % grid.x, n / grid.x % grid.y, n / grid.x / grid.y};
        run_block(random);
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

/// Waits for the lanes of `mask` at the same place. The last one to arrive does `finish` for all.
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

// ---- Copies from global to shared memory ----

namespace {
/// For messages: 7.5.
std::string capability() {
    return std::to_string(config().capability / 10) + "." +
           std::to_string(config().capability % 10);
}

bool in_shared_memory(const void* pointer, std::size_t bytes) {
    return std::ranges::any_of(block.shared_arrays, [=](const SharedArray* array) {
        const auto start = reinterpret_cast<std::uintptr_t>(array->data);
        const auto first = reinterpret_cast<std::uintptr_t>(pointer);
        return first >= start && first - start <= array->size &&
               bytes <= array->size - (first - start);
    });
}

Thread& thread_that_copies(Place where) {
    Thread& self = current_thread();
    self.where = where;
    if (!::gpu_copies_async())
        die(name_of(self) + " copies asynchronously, which GPUs of compute capability " +
            capability() + " do not: ask gpu_copies_async() first");
    return self;
}
}  // namespace

std::size_t start_copy(void* shared, const void* global, std::size_t bytes, Place where) {
    Thread& self = thread_that_copies(where);
    const auto flaw = [&]() -> const char* {
        if (reinterpret_cast<std::uintptr_t>(shared) % bytes != 0)
            return "to shared memory that is not aligned to as many";
        if (reinterpret_cast<std::uintptr_t>(global) % bytes != 0)
            return "from global memory that is not aligned to as many";
        if (!in_shared_memory(shared, bytes))
            return "to where no shared array of its block has them";
        if (global != nullptr && !device_holds(global, bytes))
            return "from where device memory does not have them";
        return nullptr;
    }();
    if (flaw) die(name_of(self) + " copies " + std::to_string(bytes) + " bytes " + flaw);
    self.copies.push_back({shared, global, bytes, self.groups, where});
    return bytes;
}

void commit_copies(Place where) { ++thread_that_copies(where).groups; }

bool take_copy(std::size_t pending, Copy& copy, Place where) {
    Thread& self = thread_that_copies(where);
    if (self.copies.empty()) return false;
    copy = self.copies[self.copied];
    if (copy.group + pending >= self.groups) return false;
    if (++self.copied == self.copies.size() || self.copied == 256) {  // so that it does not grow
        self.copies.erase(self.copies.begin(),
                          self.copies.begin() + static_cast<std::ptrdiff_t>(self.copied));
        self.copied = 0;
    }
    return true;
}

// ---- Products on tensor cores ----

namespace {
/// The fragments of a whole warp, for `multiply`.
template <void (*multiply)(std::span<const Fragments>)>
void multiply_by(Members warp) {
    std::vector<Fragments> fragments;
    for (const Thread* thread : warp) fragments.push_back(thread->fragments);
    multiply(fragments);
}

/// `finish` computes the product for the whole warp.
void meet_for_product(void* c, const void* a, const void* b, Place where, bool has,
                      const char* instruction, void (*finish)(Members)) {
    Thread& self = current_thread();
    self.where = where;
    if (!has)
        die(name_of(self) + " calls " + instruction + ", which GPUs of compute capability " +
            capability() + " do not have: choose another kernel for them");
    self.fragments = {self.lane(), a, b, c};
    meet_lanes(~0u, where, finish);
}
}  // namespace

void warp_mma(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              Place where) {
    meet_for_product(c, a, b, where, config().capability >= 80, "mma_bf16",
                     multiply_by<multiply_bf16>);
}

void warp_mma(std::int32_t (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              Place where) {
    meet_for_product(c, a, b, where, config().capability >= 80, "mma_s8u8",
                     multiply_by<multiply_s8u8>);
}

void warp_mma(double (&c)[4], const double (&a)[8], const double (&b)[4], Place where) {
    meet_for_product(c, a, b, where, ::gpu_has_f64_mma(), "mma_f64", multiply_by<multiply_f64>);
}
}  // namespace gpuhost

bool gpu_copies_async() { return gpuhost::config().capability >= 80; }

bool gpu_has_f64_mma() {
    const int capability = gpuhost::config().capability;
    return capability == 80 || capability == 90 || capability == 100;
}
