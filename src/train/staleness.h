// staleness.h: how stale the updates of asynchronous descent were.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "comm/comm.h"

/// Updates by their staleness: the number of updates of other ranks that were applied between their
/// fetch and their application (train/ledger.h). Row 0 is of staleness 0, row 1 of 1, row 2 of 2
/// and 3, row 3 of 4 to 7, and so on.
struct Staleness {
    std::array<double, 32> updates{};
    double sum = 0;  ///< of all their stalenesses
    int most = 0;    ///< the largest

    void add(std::int64_t staleness) {
        const auto row =
            static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(staleness)));
        ++updates[std::min(row, updates.size() - 1)];
        sum += static_cast<double>(staleness);
        most = std::max(most, static_cast<int>(staleness));
    }
    double all() const {
        double count = 0;
        for (const double n : updates) count += n;
        return count;
    }
    /// That of all ranks together, on every rank. Collective.
    Staleness of_all(const Comm& comm) const {
        Staleness together;
        for (std::size_t row = 0; row < updates.size(); ++row)
            together.updates[row] = comm.sum(updates[row]);
        together.sum = comm.sum(sum);
        together.most = -comm.least(-most);
        return together;
    }
};
