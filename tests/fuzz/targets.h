// targets.h: what is fuzzed: each reader of files that strangers write.
//
// A target takes any bytes and lets its reader judge them. The reader may accept, and then what it
// gives must be in order; or refuse by an InputError of one harmless line. Anything else (a crash,
// another exception, a sanitizer's finding, seconds, gigabytes) is a finding. make fuzz looks for
// bytes that lead to one; make test tries again those that were worth keeping.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace fuzz {

using Bytes = std::vector<std::uint8_t>;

struct Target {
    const char* name;
    void (*judge)(std::span<const std::uint8_t>);
    std::vector<Bytes> (*seeds)();  ///< good input to begin with
};

/// All of them.
std::span<const Target> targets();

/// Ends the program with a message unless `right`.
void require(bool right, const std::string& what);
/// Whether `read` accepts; ends the program if it refuses in any way but the right one.
bool accepts(const std::function<void()>& read);

// One for each file of this folder.
void judge_model(std::span<const std::uint8_t> bytes);
std::vector<Bytes> model_seeds();
void judge_npz(std::span<const std::uint8_t> bytes);
std::vector<Bytes> npz_seeds();
void judge_idx(std::span<const std::uint8_t> bytes);
std::vector<Bytes> idx_seeds();
void judge_table(std::span<const std::uint8_t> bytes);
std::vector<Bytes> table_seeds();
void judge_picture(std::span<const std::uint8_t> bytes);
std::vector<Bytes> picture_seeds();

}  // namespace fuzz
