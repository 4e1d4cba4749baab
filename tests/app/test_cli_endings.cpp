// test_cli_endings.cpp: how a run ends: by a signal, by the end of its terminal, refused, on a full
// disk; and what it leaves.
#include <pty.h>

#include <array>
#include <functional>
#include <utility>

#include "tests/support/checkpoints_of_runs.h"
#include "tests/support/cli_fixture.h"

namespace {

// ---- signals

TEST(Stop, ASignalEndsTheRunAfterItsStepAndItResumesToTheSameBits) {
    ASSERT_TRUE(succeeded(run_main(small_set() + " -n 16 --seed 5 -b 1 -e 40 --save " +
                                   scratch("undisturbed").string())));
    for (const int signal : {SIGUSR1, SIGTERM, SIGHUP, SIGINT}) {
        const std::string state = "stopped" + std::to_string(signal);
        const std::string flags = resumable(state, state + ".safetensors") + " -b 1 -e 40 -p 50";
        Process process("exec ./main " + flags);
        ASSERT_TRUE(process.prints("step  2:")) << process.finish(1).err;
        process.signal(signal);
        const Result stopped = process.finish(30);
        EXPECT_EQ(stopped.code, 4) << stopped.err;
        EXPECT_TRUE(says(stopped.out, "# stopped by a signal after "));
        const Result resumed = run_main(flags + " --resume");
        EXPECT_TRUE(succeeded(resumed));
        EXPECT_TRUE(same_bits(scratch("undisturbed"), scratch(state + ".safetensors")));
    }
}

TEST(Stop, OfOneRankStopsAllAtTheSameStep) {
    const fs::path pids = scratch("stopped_pids");
    const std::string flags = resumable("one", "one.safetensors") + " -b 1 -e 100 -p 50";
    Process process("mpirun -np 3 sh -c 'echo $$ >>" + pids.string() + "; exec ./main " + flags +
                    "'");
    ASSERT_TRUE(process.prints("step  ")) << "training has not begun";
    ASSERT_EQ(kill(std::stoi(lines_of(read_text(pids)).at(1)), SIGUSR1), 0);
    const Result stopped = process.finish(30);
    EXPECT_EQ(stopped.code, 4) << stopped.err;
    EXPECT_EQ(lines_with("# stopped by a signal", stopped.out).size(), 1u) << stopped.out;
}

TEST(Stop, WithoutCheckpointsASignalEndsTheRunAtOnce) {
    Process process("exec ./main " + small_set() + " -n 16 -e 1000000");
    ASSERT_TRUE(process.prints("epoch "));
    process.signal(SIGTERM);
    EXPECT_EQ(process.finish(10).code, 128 + SIGTERM);
}

/// A command in a terminal of its own, which the test holds: what a person types and sees.
class Terminal {
  public:
    explicit Terminal(const std::string& command) {
        pid_ = forkpty(&person_, nullptr, nullptr, nullptr);
        const std::string script = ". tests/mpi_env.sh && exec " + command;
        if (pid_ == 0) {
            execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
            _exit(127);
        }
        fcntl(person_, F_SETFL, O_NONBLOCK);
    }
    ~Terminal() {
        if (!ended()) kill(pid_, SIGKILL);
        if (person_ >= 0) close(person_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    bool shows(const std::string& text) {
        return waits_for([&] { return seen_.find(text) != std::string::npos; });
    }
    void press_ctrl_c() const { EXPECT_EQ(write(person_, "\x03", 1), 1); }
    /// As when its window is closed, or the connection to its machine breaks.
    void goes_away() { close(std::exchange(person_, -1)); }
    /// The exit code; -1 if the command does not end.
    int code() {
        if (!waits_for([&] { return ended(); })) return -1;
        return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
    }

  private:
    bool waits_for(const std::function<bool()>& done) {
        for (int i = 0; i < 6000; ++i) {
            std::array<char, 4096> bytes;
            const bool over = ended();
            for (ssize_t got = 1; person_ >= 0 && got > 0;) {
                got = read(person_, bytes.data(), bytes.size());
                if (got > 0) seen_.append(bytes.data(), static_cast<std::size_t>(got));
            }
            if (done()) return true;
            if (over) break;
            pause(10);
        }
        ADD_FAILURE() << "it ended before, or a minute was over; the terminal shows: " << seen_;
        return false;
    }
    bool ended() {
        if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
        return ended_;
    }

    std::string seen_;
    pid_t pid_ = -1;
    int person_ = -1, status_ = 0;
    bool ended_ = false;
};

/// What a person does, and its name.
struct Ending {
    const char* name;
    void (*act)(Terminal&);
};
const Ending endings[] = {{"ctrl-c", [](Terminal& t) { t.press_ctrl_c(); }},
                          {"hang-up", [](Terminal& t) { t.goes_away(); }}};

/// A training that keeps no state before its end unless something stops it.
std::string stoppable(const std::string& state) {
    return resumable(state, state + ".safetensors") + " -b 1 -e 40 -p 50 --checkpoint-every 1000";
}

/// Lets the ending come in the second epoch, and returns the exit code.
int end_by(const Ending& ending, int ranks, const std::string& state) {
    Terminal terminal(on_ranks(ranks, stoppable(state)));
    EXPECT_TRUE(terminal.shows("step  2:")) << state;
    ending.act(terminal);
    return terminal.code();
}

void expect_resumes_to_the_same_bits(int ranks, const std::string& state) {
    const Result resumed = run_main(stoppable(state) + " --resume", ranks);
    EXPECT_TRUE(succeeded(resumed)) << state;
    EXPECT_TRUE(says(resumed.out, "# resume     from ")) << state;
    EXPECT_TRUE(same_bits(scratch("by-nobody.safetensors"), scratch(state + ".safetensors")));
}

TEST(Stop, ByItsTerminalARunKeepsItsStateAndResumesToTheSameBits) {
    ASSERT_TRUE(succeeded(run_main(stoppable("by-nobody"))));
    for (const Ending& ending : endings) {
        EXPECT_EQ(end_by(ending, 0, ending.name), 4) << ending.name;
        expect_resumes_to_the_same_bits(0, ending.name);
    }
    // mpirun ends with a code of its own. It gives the ranks a second, which may be too little on a
    // machine that is very busy.
    for (const Ending& ending : endings) {
        std::string state;
        for (const char* one : {"-ranks", "-ranks-again", "-ranks-once-more"}) {
            state = ending.name + std::string(one);
            EXPECT_GT(end_by(ending, 2, state), 0) << state;
            if (newest_epoch(state) >= 0) break;
        }
        expect_resumes_to_the_same_bits(2, state);
    }
}

TEST(Stop, OnATerminalTheLastLineStandsAlone) {
    Terminal terminal("./main " + resumable("alone", "alone.safetensors") +
                      " -b 1 -e 100000 -p 50");
    ASSERT_TRUE(terminal.shows("step  2:"));
    terminal.press_ctrl_c();
    EXPECT_TRUE(terminal.shows("\n# stopped by a signal after "));
    EXPECT_EQ(terminal.code(), 4);
}

// ---- refused and failed

TEST(Refusal, WritesNothing) {
    const std::string log = scratch("refused.csv").string(), state = scratch("refused").string();
    const std::string flags = " -n 4 -e 1 --csv " + log + " --checkpoint " + state;
    for (const char* bad : {"--jsonl nowhere/log", "--plot nowhere/a.svg", "--report nowhere/a",
                            "--save nowhere/a", "--train-size 11", "--allreduce shared --course"}) {
        EXPECT_TRUE(refused(run_main(first_images(10, 10) + flags + " " + bad), 2, "", "")) << bad;
        EXPECT_FALSE(fs::exists(log)) << bad;
        EXPECT_FALSE(fs::exists(state)) << bad;
    }
    EXPECT_TRUE(refused(run_main("demo xor --csv " + log + " --jsonl nowhere/log"), 2, "", ""));
    EXPECT_FALSE(fs::exists(log));
}

TEST(Refusal, OfAnOutputThatIsAlsoAnInputLeavesTheInput) {
    const fs::path table = scratch("kept.csv"), network = scratch("kept.safetensors");
    std::ofstream(table) << "0,0.5,0.75\n1,0.25,0.5\n";
    const std::string text = read_text(table),
                      table_flags = "--csv-data " + table.string() + " --loss mse -e 1 ";
    const std::string on_table = table_flags + "--target-columns 2 -n 2 --output sigmoid ";
    ASSERT_TRUE(succeeded(run_main(on_table + "--save " + network.string())));
    const std::string bytes = read_text(network);
    for (const char* flag : {"--csv ", "--jsonl ", "--save "})
        EXPECT_TRUE(refused(run_main(on_table + flag + scratch(".").string() + "/kept.csv"), 2, "",
                            "--csv-data has the same name"))
            << flag;
    const std::string from_network = table_flags + "--load " + network.string() + " ";
    EXPECT_TRUE(refused(run_main(from_network + "--csv " + network.string()), 2, "",
                        "--load has the same name"));
    EXPECT_TRUE(refused(run_main(on_table + "--save new --checkpoint new/"), 2, "",
                        "--checkpoint has the same name"));
    EXPECT_FALSE(fs::exists("new"));
    EXPECT_EQ(read_text(table), text);
    EXPECT_EQ(read_text(network), bytes);
    EXPECT_TRUE(succeeded(run_main(from_network + "--save " + network.string())));
}

/// The folder with a program called gnuplot, which can draw nothing but says that it ended well.
TEST(Plot, ThatIsNotDrawnEndsTheRunWithThreeAndIsNotCalledWritten) {
    const fs::path folder = scratch("bin"), chart = scratch("undrawn.png");
    fs::create_directory(folder);
    std::ofstream(folder / "gnuplot") << "#!/bin/sh\nexit 0\n";
    fs::permissions(folder / "gnuplot", fs::perms(0755));
    const Result result = run("PATH=" + folder.string() + ":$PATH ./main " + small_set() +
                              " -n 4 -e 1 --plot " + chart.string());
    EXPECT_EQ(result.code, 3) << result.out;
    EXPECT_TRUE(says(result.err, chart.string()));
    EXPECT_EQ(lines_with("# written", result.out).size(), 0u) << result.out;
    EXPECT_FALSE(fs::exists(chart));
}

}  // namespace
