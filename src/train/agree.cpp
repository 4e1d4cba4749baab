// agree.cpp: eight bytes a tensor and rank are compared instead of the parameters.
#include "train/agree.h"

#include <cstdint>
#include <cstring>
#include <string>

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

/// "W1 123 b1 456 ...": a line for gather().
std::string checksums(const Layout& layout, std::span<const nn_real> parameters) {
    std::string line;
    for (int l = 1; l <= layout.layers(); ++l) {
        const auto w = parameters.subspan(layout.weight_offset(l), layout.weights(l));
        const auto b =
            parameters.subspan(layout.bias_offset(l), static_cast<std::size_t>(layout.size(l)));
        line += "W" + std::to_string(l) + " " + std::to_string(checksum(w)) + " b" +
                std::to_string(l) + " " + std::to_string(checksum(b)) + " ";
    }
    return line;
}

/// The name before the first number in which two such lines differ.
std::string first_difference(const std::string& one, const std::string& other) {
    std::size_t at = 0;
    while (at < one.size() && at < other.size() && one[at] == other[at]) ++at;
    const std::size_t number = one.rfind(' ', at == 0 ? 0 : at - 1);
    const std::size_t name = one.rfind(' ', number - 1);
    return one.substr(name + 1, number - name - 1);
}

}  // namespace

void check_ranks_agree(const Comm& comm, const Layout& layout, std::span<const nn_real> parameters,
                       const std::string& when) {
    const std::vector<std::string> lines = comm.gather(checksums(layout, parameters));
    int differs = 0;
    for (std::size_t r = 1; r < lines.size() && differs == 0; ++r)
        if (lines[r] != lines[0]) differs = static_cast<int>(r);
    const std::string tensor =
        differs == 0 ? "" : first_difference(lines[0], lines[static_cast<std::size_t>(differs)]);
    differs = comm.from_root(differs);
    if (differs == 0) return;
    throw RanksDiffer("the ranks' parameters differ " + when + ": rank " + std::to_string(differs) +
                      " has another " + tensor +
                      " than rank 0; run all ranks on processors of one kind with the same binary, "
                      "or use --isa baseline");
}
