// checkpoints_of_runs.h: trainings with checkpoints, and what they left in their folders.
#pragma once
#include "tests/support/cli_fixture.h"

inline std::vector<std::string> names_in(const fs::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
    return {names.begin(), names.end()};
}

/// The epoch in the name of the folder's newest checkpoint.
inline int newest_epoch(const std::string& state) {
    int newest = -1, epoch = 0;
    for (const std::string& name : names_in(scratch(state)))
        if (std::sscanf(name.c_str(), "checkpoint-%d-", &epoch) == 1)
            newest = std::max(newest, epoch);
    return newest;
}

/// The flags of a training with checkpoints, 25 steps an epoch; `state` and `save` are names in
/// scratch().
inline std::string resumable(const std::string& state, const std::string& save) {
    return small_set() + " -n 16 --seed 5 --checkpoint " + scratch(state).string() + " --save " +
           scratch(save).string();
}
