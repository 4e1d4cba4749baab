// targets.cpp: the list of targets, and what a refusal must look like.
#include "tests/fuzz/targets.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"

namespace fuzz {

std::span<const Target> targets() {
    static constexpr Target all[] = {{"model", judge_model, model_seeds},
                                     {"npz", judge_npz, npz_seeds},
                                     {"idx", judge_idx, idx_seeds},
                                     {"table", judge_table, table_seeds},
                                     {"picture", judge_picture, picture_seeds}};
    return all;
}

void require(bool right, const std::string& what) {
    if (right) return;
    std::fprintf(stderr, "finding: %s\n", what.c_str());
    std::abort();
}

bool accepts(const std::function<void()>& read) {
    try {
        read();
        return true;
    } catch (const InputError& error) {
        const std::string message = error.what();
        const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
        require(std::none_of(message.begin(), message.end(), is_control),
                "control characters in the message: " + message);
        require(message.size() < 1000, "a message of several lines: " + message);
        return false;
    }
}

}  // namespace fuzz
