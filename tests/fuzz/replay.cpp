// replay.cpp: tries what fuzzing once found worth keeping, without libFuzzer.
//
//     fuzz_replay tests/fuzz/corpus     each file of each target's folder once
//     fuzz_replay --seeds DIR           writes good input for each target to DIR/<target>/
//     fuzz_replay --names               the targets
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/whole_file.h"
#include "tests/fuzz/targets.h"

namespace fs = std::filesystem;

namespace {

void write_seeds(const fs::path& dir) {
    for (const auto& target : fuzz::targets()) {
        fs::create_directories(dir / target.name);
        int number = 0;
        for (const auto& seed : target.seeds())
            write_whole_file(dir / target.name / ("seed-" + std::to_string(++number)), seed);
    }
}

/// Tries every file; a target whose folder is missing or empty is an error.
int replay(const fs::path& corpus) {
    int files = 0;
    for (const auto& target : fuzz::targets()) {
        const int before = files;
        for (const auto& entry : fs::directory_iterator(corpus / target.name)) {
            std::fprintf(stderr, "%s\n", entry.path().c_str());  // the last one is the culprit
            target.judge(read_whole_file(entry.path(), "a file of the corpus"));
            ++files;
        }
        fuzz::require(files > before, std::string("no corpus for ") + target.name);
    }
    std::printf("%d passed, 0 failed, 0 skipped\n", files);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string first = argc > 1 ? argv[1] : "";
    if (first == "--names") {
        for (const auto& target : fuzz::targets()) std::puts(target.name);
        return 0;
    }
    if (first == "--seeds" && argc == 3) {
        write_seeds(argv[2]);
        return 0;
    }
    if (argc == 2) return replay(first);
    std::fputs("usage: fuzz_replay CORPUS | --seeds DIR | --names\n", stderr);
    return 2;
}
