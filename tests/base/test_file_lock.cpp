// test_file_lock.cpp: one process has a lock at a time, and a crash leaves none.
#include "base/file_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "tests/support/scratch_files.h"

namespace fs = std::filesystem;

namespace {

using State = FileLock::State;

TEST(FileLocks, TheSecondIsToldWhoHasTheFirst) {
    const ScratchFiles files;
    std::optional<FileLock> first(files.path("lock"));
    ASSERT_EQ(first->state(), State::held);
    const FileLock second(files.path("lock"));
    EXPECT_EQ(second.state(), State::taken);
    EXPECT_TRUE(second.why().starts_with("process " + std::to_string(getpid()) + " on "))
        << second.why();
    EXPECT_TRUE(fs::exists(files.path("lock"))) << "a refusal takes no file away";
    first.reset();
    EXPECT_FALSE(fs::exists(files.path("lock")));
    EXPECT_EQ(FileLock(files.path("lock")).state(), State::held);
}

TEST(FileLocks, AreLetGoWhenTheirOwnerIsKilled) {
    const ScratchFiles files;
    const pid_t child = fork();
    if (child == 0) {
        // The parent looks by taking the lock for a moment.
        std::optional<FileLock> lock;
        do lock.emplace(files.path("lock"));
        while (lock->state() != State::held);
        while (true) pause();
    }
    while (FileLock(files.path("lock")).state() != State::taken) usleep(1000);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(fs::exists(files.path("lock")));
    EXPECT_EQ(FileLock(files.path("lock")).state(), State::held);
}

TEST(FileLocks, WhereThereAreNoneTheReasonIsTold) {
    for (const char* name : {"/proc/lock", "nowhere/lock"}) {
        const FileLock lock(name);
        EXPECT_EQ(lock.state(), State::unsupported) << name;
        EXPECT_EQ(lock.why(), "No such file or directory");
    }
}

/// Owners remove the file, so another may be about to lock a file that has no name any more.
TEST(FileLocks, AreNeverHeldTwiceWhereManyComeAndGo) {
    const ScratchFiles files;
    constexpr int processes = 4, rounds = 300;
    for (int p = 0; p < processes; ++p) {
        if (fork() != 0) continue;
        for (int held = 0; held < rounds;) {
            const FileLock lock(files.path("lock"));
            if (lock.state() == State::unsupported) _exit(2);
            if (lock.state() == State::taken) continue;
            // Only one process can make this file while it is there.
            const int alone = open(files.path("alone").c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
            if (alone < 0) _exit(1);
            close(alone);
            unlink(files.path("alone").c_str());
            ++held;
        }
        _exit(0);
    }
    for (int p = 0; p < processes; ++p) {
        int status = 0;
        wait(&status);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    }
}

}  // namespace
