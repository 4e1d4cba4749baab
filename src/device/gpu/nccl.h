// nccl.h: sums over the GPUs of several ranks by NCCL, which is opened when it is asked for.
//
// A program that is built needs neither the library nor its header. Ranks find each other by an id
// that one of them makes; how it gets to the others is the caller's matter (src/reduce/nccl.cpp).
// Calls that fail throw Failure.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "device/lent.h"

struct FoundNccl {
    std::string version;  ///< "2.28.9"
    std::string missing;  ///< why it cannot be used here, and what to do; empty: it can
};
FoundNccl find_nccl();

/// Names the ranks that sum with each other. One rank makes it, and all need it.
using NcclId = std::array<std::uint8_t, 128>;
NcclId make_nccl_id();

/// Sums that this rank's device makes with the others', the oldest first. All ranks start the same
/// sums in the same order. The destructor waits for the other ranks, unless a sum is under way or
/// an exception is: then they may have ended, and all is aborted.
class NcclSums {
  public:
    virtual ~NcclSums() = default;
    /// lent.values[i] becomes the sum of values[i] over the ranks, once lent.ready has come. The
    /// host goes on. The values are memory of the device.
    virtual void start(const Lent& lent) = 0;
    /// Returns when the oldest sum is there. Throws Failure if NCCL says that there will be none,
    /// as where another rank has ended.
    virtual void wait_for_oldest() = 0;
};

/// Every rank of the id calls it, with its number, and with a device that no other rank has. Waits
/// for all. Call it only if nothing of NCCL is missing.
std::unique_ptr<NcclSums> make_nccl_sums(const NcclId& id, int rank, int ranks, int device);
