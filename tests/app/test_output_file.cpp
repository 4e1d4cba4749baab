// test_output_file.cpp: a file that a flag names is whole or not there, and what cannot be written
// is refused before the training.
#include "app/run/output_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "tests/support/full_disk.h"
#include "tests/support/scratch_files.h"

namespace fs = std::filesystem;

namespace {

/// What `action` returns in a process of its own.
int in_a_child(const std::function<int()>& action) {
    const pid_t child = fork();
    if (child == 0) {
        int code = 1;
        try {
            code = action();
        } catch (...) {
        }
        _exit(code);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

template <class Error>
std::string words_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
}

TEST(WrittenFile, OnAFullDiskIsTheOldOneAndTheRunFails) {
    const ScratchFiles files;
    const std::string old = files.write("old", "the old file");
    for (const std::string& name : {old, files.path("new"), std::string("/dev/full")}) {
        const bool there = fs::exists(name);
        const SmallFiles none(4);
        const std::string words = words_of<Failure>([&] { write_file("--plot", name, "a chart"); });
        EXPECT_NE(words.find(name), std::string::npos) << words;
        EXPECT_EQ(fs::exists(name), there) << name;
    }
    EXPECT_EQ(files.read("old"), "the old file");
    EXPECT_EQ(std::distance(fs::directory_iterator(files.path("")), {}), 1) << "leftovers";
}

TEST(WrittenFile, ReplacesAFileAndWritesThroughALinkOrIntoADevice) {
    const ScratchFiles files;
    fs::create_symlink("old", files.path("link"));
    files.write("old", "a much longer text");
    write_file("--plot", files.path("link"), "new");
    EXPECT_EQ(files.read("old"), "new");
    EXPECT_TRUE(fs::is_symlink(files.path("link")));
    write_file("--plot", "/dev/null", "new");
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

/// Otherwise the refusal would come after hours of training.
TEST(WrittenFile, InAFolderThatTakesNoNewFileIsRefusedBeforehand) {
    const ScratchFiles files;
    const std::string name = files.write("old.svg", "old");
    fs::permissions(name, fs::perms(0666));
    fs::permissions(files.path(""), fs::perms(0555));
    const int refused = in_a_child([&] {
        if (geteuid() == 0 && setuid(65534) != 0) return 2;
        check_writable("--csv", name, true);  // a log only grows
        try {
            check_writable("--plot", name);
        } catch (const InputError&) {
            return 7;
        }
        return 0;
    });
    fs::permissions(files.path(""), fs::perms(0755));
    EXPECT_EQ(refused, 7);
}

}  // namespace
