// gpuhost_together.cpp: blocks that are resident together, and what they publish to each other.
//
// The blocks of a cooperative launch take turns: in its turn, a block runs until all of its threads
// wait. What one publishes lies apart from the memory, as in the level-2 cache: plain loads see
// what lay there before the launch, as by a stale line of L1, and the others' looks see it only
// when it was delivered. That is at the end of the block's turn in forward order; as late as can be
// in reverse order; and in random order by chance, each word for itself, while some blocks miss
// turns. Where all poll in vain, the clock of cycles_now() leaps, so that a kernel's own limit ends
// it. Compile without -fsanitize: see fiber.h.
#include <array>
#include <cstdio>
#include <cstring>
#include <set>
#include <unordered_map>
#include <utility>

#include "gpuhost_block.h"
#ifdef GPUHOST_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace gpuhost {
namespace {
using Word = std::array<char, 16>;
constexpr long long leap = 1'000'000'000;
constexpr int most_leaps = 100;  // no kernel's limit is longer

bool together = false;
long long cycles = 0;
std::unordered_map<char*, Word> delivered;         // since the launch
std::vector<std::pair<char*, Word>> on_their_way;  // first published, first here

bool none_stays(std::mt19937&) { return true; }
bool by_chance(std::mt19937& random) { return (random() & 1u) != 0; }

/// Words that are published to one place arrive in their order.
void deliver(bool (*arrives)(std::mt19937&), std::mt19937& random) {
    std::vector<std::pair<char*, Word>> stay;
    std::set<char*> late;
    for (const auto& [place, word] : on_their_way) {
        if (late.contains(place) || !arrives(random)) {
            stay.emplace_back(place, word);
            late.insert(place);
        } else {
            delivered[place] = word;
            ++progress;
        }
    }
    on_their_way = std::move(stay);
}

void deliver_after_turn(std::mt19937& random) {
    if (config().order == Order::forward) deliver(none_stays, random);
    if (config().order == Order::random) deliver(by_chance, random);
}

Thread& thread_at(const void* word, const char* does, Place where) {
    Thread& self = current_thread();
    self.where = where;
    if (reinterpret_cast<std::uintptr_t>(word) % sizeof(Word) != 0)
        die(name_of(self) + " " + does + " a word that is not aligned to its 16 bytes");
    if (!device_holds(word, sizeof(Word)))
        die(name_of(self) + " " + does + " a word that device memory does not have");
    return self;
}

/// A block that was started, with its place in the grid.
struct Resident {
    Block state;
    uint3 index;
    bool has_ended() const { return state.ended == state.threads.size(); }
};

/// The block's turn. It goes on where all of its threads waited.
void take_turn(Resident& resident, std::mt19937& random) {
    std::swap(block, resident.state);
    blockIdx = resident.index;
    bool polls = false;
    for (Thread* thread : block.threads)
        if (thread->state == State::polling) thread->state = State::ready;
    run_ready_threads(random);
    for (const Thread* thread : block.threads) polls = polls || thread->state == State::polling;
    if (!polls && block.ended < block.threads.size()) die_of_deadlock();
    if (block.ended == block.threads.size()) end_block();
    deliver_after_turn(random);
    std::swap(block, resident.state);
}

/// Until all have ended.
void take_turns(std::vector<Resident>& residents, std::mt19937& random) {
    std::size_t ended = 0;
    for (int leaps = 0; ended < residents.size();) {
        const std::size_t before = progress;
        bool all_had_turns = true;
        for (const std::size_t i : turns(residents.size(), random)) {
            if (residents[i].has_ended()) continue;
            if (config().order == Order::random && by_chance(random)) {
                all_had_turns = false;
                continue;
            }
            take_turn(residents[i], random);
            ended += residents[i].has_ended() ? 1 : 0;
        }
        if (progress != before || !all_had_turns) continue;
        deliver(none_stays, random);
        if (progress != before) continue;
        cycles += leap;
        if (++leaps > most_leaps) {
            blockIdx = residents.front().index;
            die("all blocks wait for others, and the kernel does not give up: let it count "
                "cycles_now() while it waits");
        }
    }
}
}  // namespace

void run_together(dim3 grid, dim3 size, std::size_t shared, const ThreadBody& thread_body) {
    if (block.current) die("a kernel launches a kernel, which gpuhost does not do");
    std::mt19937 random = generator_of_launch();
    const std::size_t threads = std::size_t{size.x} * size.y * size.z;
    std::vector<Resident> residents(std::size_t{grid.x} * grid.y * grid.z);
    std::vector<std::unique_ptr<char[]>> memory;
    gridDim = grid;
    blockDim = size;
    host_stack.tsan = tsan::current();
    for (std::size_t i = 0; i < residents.size(); ++i) {
        Resident& resident = residents[i];
        resident.index = index_of(i, grid);
        resident.state.threads = threads_of_pool(i * threads, threads);
        resident.state.body = &thread_body;
        memory.push_back(std::make_unique<char[]>(shared));
        std::memset(memory.back().get(), 0xff, shared);
        resident.state.dynamic = memory.back().get();
        resident.state.dynamic_bytes = shared;
    }
    tsan::release(&launch_begins);
    for (Resident& resident : residents) {
        std::swap(block, resident.state);
        start_threads();
        std::swap(block, resident.state);
    }
    together = true;
    take_turns(residents, random);
    together = false;
    deliver(none_stays, random);
    for (const auto& [place, word] : delivered) std::memcpy(place, word.data(), word.size());
    delivered.clear();
}

void* dynamic_shared(Place where) {
    Thread& self = current_thread();
    self.where = where;
    if (block.dynamic == nullptr)
        die(name_of(self) + " has no dynamic shared memory: gpu_launch_together gives it");
    return block.dynamic;
}

void publish_word(void* to, const void* word, Place where) {
    const Thread& self = thread_at(to, "publishes", where);
    if (!together)
        die(name_of(self) + " publishes, and others may not be resident: gpu_launch_together");
    if (static_cast<int>(blockIdx.x) == config().silent_block) return;
    Word copy;
    std::memcpy(copy.data(), word, copy.size());
    // The list's memory is the runner's, to ThreadSanitizer too.
    tsan::become(host_stack.tsan);
    if (Word old; !delivered.contains(static_cast<char*>(to))) {
        std::memcpy(old.data(), to, old.size());
        std::memset(to, 0xff, old.size());
        delivered.emplace(static_cast<char*>(to), old);
    }
    on_their_way.emplace_back(static_cast<char*>(to), copy);
    tsan::become(self.fiber->identity());
    ++progress;
}

bool look_at_word(const void* from, void* word, Place where) {
    thread_at(from, "looks at", where);
    const auto found = delivered.find(static_cast<char*>(const_cast<void*>(from)));
    if (found == delivered.end()) return false;
    std::memcpy(word, found->second.data(), sizeof(Word));
    return true;
}

void wait_for_other_blocks(Place where) {
    Thread& self = current_thread();
    self.where = where;
    if (!together)
        die(name_of(self) +
            " waits for other blocks, which may not be resident: gpu_launch_together");
    self.state = State::polling;
    self.fiber->pause();
}

long long cycles_of_runner() { return cycles; }
}  // namespace gpuhost
