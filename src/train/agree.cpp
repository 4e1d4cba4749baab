// agree.cpp: compares a checksum of eight bytes for each tensor and rank, not the parameters
// themselves.
#include "train/agree.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace {

/// FNV-1a over the values' bit patterns: equal checksums for equal bits, and different ones for
/// any single value that differs.
std::uint64_t checksum(std::span<const nn_real> values) {
    std::uint64_t sum = 0xcbf29ce484222325u;
    for (const nn_real value : values) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof value);
        sum = (sum ^ bits) * 0x100000001b3u;
    }
    return sum;
}

/// The checksums of W1, b1, W2, b2, ..., as bytes for gather().
std::string checksums(const Layout& layout, std::span<const nn_real> parameters) {
    std::string bytes;
    const auto add = [&](std::size_t first, std::size_t count) {
        const std::uint64_t sum = checksum(parameters.subspan(first, count));
        bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
    };
    for (int l = 1; l <= layout.layers(); ++l) {
        add(layout.weight_offset(l), layout.weights(l));
        add(layout.bias_offset(l), static_cast<std::size_t>(layout.size(l)));
    }
    return bytes;
}

struct Difference {
    int rank, tensor;  ///< rank 0: none
};
/// Finds the first rank whose checksums are not rank 0's, and the first tensor in which they
/// differ.
Difference first_difference(const std::vector<std::string>& of_ranks) {
    for (std::size_t r = 1; r < of_ranks.size(); ++r) {
        const auto [here, there] = std::ranges::mismatch(of_ranks[0], of_ranks[r]);
        if (here == of_ranks[0].end()) continue;
        const auto byte = static_cast<std::size_t>(here - of_ranks[0].begin());
        return {static_cast<int>(r), static_cast<int>(byte / sizeof(std::uint64_t))};
    }
    return {0, 0};
}

}  // namespace

void check_ranks_agree(const Comm& comm, const Layout& layout, std::span<const nn_real> parameters,
                       const std::string& when) {
    const auto [rank, tensor] =
        comm.from_root(first_difference(comm.gather(checksums(layout, parameters))));
    if (rank == 0) return;
    throw RanksDiffer("the ranks' parameters differ " + when + ": rank " + std::to_string(rank) +
                      " has another " + (tensor % 2 == 0 ? "W" : "b") +
                      std::to_string(tensor / 2 + 1) +
                      " than rank 0; run all ranks on processors of one kind with the same binary, "
                      "or use --isa baseline");
}
