// lent.h: how a replica's gradient is handed to a reducer, and its sum back.
//
// The gradient comes in parts, in Layout's order; together they cover it once. A replica lends a
// part's memory (Lent), a reducer sums it over the replicas, and the replica updates the parameters
// by what the reducer gives (Sum).
#pragma once
#include <cstddef>
#include <span>

#include "base/real.h"

/// Whose addresses: the host's, or the device's.
enum class Memory { host, device };

/// Elements [first, first + count) of the gradient.
struct Part {
    std::size_t first, count;
};

/// Tells when memory is complete that a device still writes.
class Ready {
  public:
    virtual ~Ready() = default;
    virtual void wait() const = 0;  ///< blocks the host
};

/// A part's memory. It stays the replica's, and is the reducer's to write from start() to finish().
struct Lent {
    std::size_t first;  ///< its place in the gradient
    std::span<nn_real> values;
    Memory memory = Memory::host;
    const Ready* ready = nullptr;  ///< null: it is complete
};

/// The sum over all replicas of the elements [first, first + count), which are this rank's to
/// update: element first + i is addends[0][i] + addends[1][i] + ..., added in this order.
struct Sum {
    std::size_t first, count;
    std::span<const nn_real* const> addends;
    Memory memory = Memory::host;
};
