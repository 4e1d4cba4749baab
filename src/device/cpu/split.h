// split.h: which worker of a replica does what.
//
// All threads of all ranks that work on one replica are its workers. A worker takes its samples
// forward and computes their deltas; it computes the gradient of its inputs' weights and updates
// them. Only this arithmetic says which are whose; workers exchange no message about it. No split
// changes a bit: a range cuts no sum (sparse.h, dense.h).
#pragma once
#include "base/range.h"

/// The workers of one rank among all of a replica.
struct Workers {
    int first = 0, here = 1, all = 1;
};

/// The samples of thread t of a rank whose shard this is, by fours, as products take them.
constexpr Range samples_of(Range shard, int t, const Workers& workers) {
    const Range mine = part_of(shard.count, t, workers.here, 4);
    return {shard.first + mine.first, mine.count};
}

/// The inputs, units or rows of thread t among `count`.
constexpr Range weights_of(int count, int t, const Workers& workers, int unit = 1) {
    return part_of(count, workers.first + t, workers.all, unit);
}
