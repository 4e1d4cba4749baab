// lent.h: how a replica hands its gradient to a reducer, and gets the sum back.
//
// The gradient comes in parts, in the order in which they are ready; together they cover it once.
// Their indices are Layout's; of a replica that several ranks share, they count what this rank has.
// A replica lends a part's memory (Lent), a reducer sums it over the replicas, and the replica
// updates the parameters by what the reducer gives (Sum).
#pragma once
#include <cstddef>
#include <span>

#include "base/real.h"

/// Whose memory an address is in: the host's, or the device's.
enum class Memory { host, device };

/// Elements [first, first + count) of the gradient.
struct Part {
    std::size_t first, count;
};

/// Says when memory that a device still writes is complete.
class Ready {
  public:
    virtual ~Ready() = default;
    virtual void wait() const = 0;  ///< blocks the host
};

/// A part's memory. It stays the replica's; from start() to finish() the reducer may write it.
struct Lent {
    std::size_t first;  ///< its place in the gradient
    std::span<nn_real> values;
    Memory memory = Memory::host;
    const Ready* ready = nullptr;  ///< null: the part is complete
};

/// The sum over all replicas of the range [first, first + count). This rank must update that range.
struct Sum {
    std::size_t first, count;
    const nn_real* values;  ///< element first + i at [i]
    Memory memory = Memory::host;
};
