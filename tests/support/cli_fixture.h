// cli_fixture.h: runs the program as a user does: a command line in; exit code, text and files out.
//
// The tests of test_cli*.cpp run ./main, or main_gpuhost, which is the same program with its CUDA
// kernels on the CPU. main_gpuhost lies beside the test program. Most tests train on a few hundred
// images cut from data/, so that a run takes a fraction of a second. They run from the project's
// root.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "tests/support/words.h"

namespace fs = std::filesystem;

// ---- files --------------------------------------------------------------------------------------

/// The path of a file or folder in the folder for everything that the tests write. It is removed
/// when they end.
inline fs::path scratch(const std::string& name) {
    static const TemporaryDirectory folder;
    return folder.path / name;
}

inline std::string read_text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Only the tensors' bytes, because the metadata hold times.
inline std::string tensors(const fs::path& file) {
    const std::string bytes = read_text(file);
    std::uint64_t header = 0;
    for (std::size_t i = 0; i < 8 && i < bytes.size(); ++i)
        header |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])) << 8 * i;
    EXPECT_LT(header + 8, bytes.size()) << file << " has no tensors";
    return bytes.substr(std::min(bytes.size(), header + 8));
}
inline testing::AssertionResult same_bits(const fs::path& a, const fs::path& b) {
    if (!fs::exists(a) || !fs::exists(b))
        return testing::AssertionFailure() << a << " or " << b << " is not there";
    const std::string left = tensors(a), right = tensors(b);
    if (left == right) return testing::AssertionSuccess();
    std::size_t i = 0;
    while (i < std::min(left.size(), right.size()) && left[i] == right[i]) ++i;
    return testing::AssertionFailure() << a << " and " << b << " differ from byte " << i << " on";
}

/// Writes the first `count` items of one of MNIST's files, with a header that says so.
inline void cut(const std::string& name, std::size_t header, std::size_t item, std::size_t count,
                const fs::path& folder) {
    std::string bytes(header + item * count, '\0');
    const gzFile whole = gzopen(("data/" + name + ".gz").c_str(), "rb");
    if (whole == nullptr) throw std::runtime_error("no data/" + name + ".gz: run from the root");
    const int got = gzread(whole, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(whole);
    if (got != static_cast<int>(bytes.size())) throw std::runtime_error(name + " is too short");
    for (int i = 0; i < 4; ++i) bytes[7 - i] = static_cast<char>(count >> 8 * i & 255);
    std::ofstream(folder / name, std::ios::binary) << bytes;
}

/// "--data FOLDER": MNIST's first images in a folder of their own.
inline std::string first_images(std::size_t train, std::size_t test) {
    const fs::path folder = scratch(std::to_string(train) + "-" + std::to_string(test));
    if (fs::create_directory(folder)) {
        cut("train-images-idx3-ubyte", 16, 784, train, folder);
        cut("train-labels-idx1-ubyte", 8, 1, train, folder);
        cut("t10k-images-idx3-ubyte", 16, 784, test, folder);
        cut("t10k-labels-idx1-ubyte", 8, 1, test, folder);
    }
    return "--data " + folder.string();
}
inline std::string small_set() { return first_images(600, 200); }
inline std::string tiny_set() { return first_images(200, 50); }  // main_gpuhost is slow

// ---- running a command --------------------------------------------------------------------------

struct Result {
    int code = -1;  ///< as in a shell: 128 + signal if a signal ended the command
    std::string out, err;
};

inline void pause(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

/// A shell command in its own process group. Its output goes to files.
class Process {
  public:
    explicit Process(const std::string& command)
        : command_(command),
          out_(scratch("stdout." + std::to_string(++count_))),
          err_(scratch("stderr." + std::to_string(count_))) {
        const std::string script = ". tests/mpi_env.sh && " + command;
        pid_ = fork();
        if (pid_ != 0) return;
        setpgid(0, 0);
        dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
        dup2(open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
        execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
        _exit(127);
    }
    ~Process() {
        if (!ended_) stop();
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    /// True if standard output holds `text` before the command ends or the time is over.
    bool prints(const std::string& text) {
        const auto end = Clock::now() + std::chrono::seconds(60);
        while (Clock::now() < end) {
            const bool over = ended();
            if (read_text(out_).find(text) != std::string::npos) return true;
            if (over) return false;
            pause(10);
        }
        return false;
    }

    /// Sends a signal to the command itself, which must have been started by "exec".
    void signal(int number) const { kill(pid_, number); }

    /// Waits for the end. A command that takes longer than `limit` seconds hangs, and is stopped.
    Result finish(int limit) {
        const auto end = Clock::now() + std::chrono::seconds(limit);
        while (!ended() && Clock::now() < end) pause(2);
        if (!ended_) {
            ADD_FAILURE() << command_ << ": not over after " << limit << " s";
            stop();
        }
        const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
        return {code, read_text(out_), read_text(err_)};
    }

    /// Ends the command and all processes that it started. mpirun gets time to end its ranks.
    void stop() {
        kill(-pid_, SIGTERM);
        for (int i = 0; i < 300 && !ended(); ++i) pause(10);
        kill(-pid_, SIGKILL);
        if (!ended_) waitpid(pid_, &status_, 0);
        ended_ = true;
    }

  private:
    using Clock = std::chrono::steady_clock;
    bool ended() {
        if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
        return ended_;
    }

    inline static int count_ = 0;
    std::string command_;
    fs::path out_, err_;
    pid_t pid_ = -1;
    int status_ = 0;
    bool ended_ = false;
};

inline Result run(const std::string& command) { return Process(command).finish(60); }

/// The command that runs the program on `ranks` ranks; 0: without mpirun.
inline std::string on_ranks(int ranks, const std::string& flags,
                            const std::string& program = "./main") {
    const std::string start = ranks > 0 ? "mpirun -np " + std::to_string(ranks) + " " : "";
    return start + program + " " + flags;
}
inline Result run_main(const std::string& flags, int ranks = 0) {
    return run(on_ranks(ranks, flags));
}

/// Settings of Open MPI that only the tests need. mpirun prints no message of its own about a rank
/// that fails, so that standard error holds only the program's output. A run without mpirun starts
/// no helper, and has its own session folder, because otherwise all would share one. And Open MPI
/// does not search for network hardware, which takes time.
class MpiSettings : public testing::Environment {
    void SetUp() override {
        setenv("OMPI_MCA_orte_execute_quiet", "1", 1);
        setenv("OMPI_MCA_ess_singleton_isolated", "1", 1);
        const fs::path own = scratch("mpi");
        fs::create_directory(own);
        setenv("OMPI_MCA_orte_tmpdir_base", own.c_str(), 1);
        setenv("OMPI_MCA_pml", "ob1", 1);
    }
};
inline const auto* const mpi_settings = testing::AddGlobalTestEnvironment(new MpiSettings);

// ---- reading what it printed --------------------------------------------------------------------

inline testing::AssertionResult is_one_line_of_main(const std::string& text) {
    if (text.starts_with("main: ") && text.find('\n') == text.size() - 1)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << "expected one line 'main: ...', found:\n" << text;
}

inline testing::AssertionResult succeeded(const Result& result) {
    if (result.code == 0 && result.err.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "exit code " << result.code << ", stderr: " << result.err
                                       << "\nstdout: " << result.out;
}

inline testing::AssertionResult check_passed(const Result& result) {
    const testing::AssertionResult ended_well = succeeded(result);
    if (!ended_well) return ended_well;
    const std::vector<std::string> lines = lines_of(result.out);
    if (!lines.empty() && lines.back().starts_with("CHECK PASSED: "))
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << "the last line is not CHECK PASSED:\n" << result.out;
}

/// The numbers in a progress line.
struct Epoch {
    int number = 0, of = 0;
    double loss = 0, accuracy = 0, images_per_second = 0;
};
inline std::vector<Epoch> epochs_of(const Result& result) {
    std::vector<Epoch> epochs;
    for (const std::string& line : lines_with("epoch ", result.out)) {
        Epoch e;
        const int read = std::sscanf(line.c_str(), "epoch %d/%d loss %lf %*s accuracy %lf %% %lf",
                                     &e.number, &e.of, &e.loss, &e.accuracy, &e.images_per_second);
        if (read != 5) ADD_FAILURE() << "not a progress line: " << line;
        epochs.push_back(e);
    }
    return epochs;
}

/// The losses and accuracies of a run's epochs and the test accuracy, without numbers that depend
/// on the clock.
inline std::vector<std::string> learned(const Result& result) {
    EXPECT_TRUE(succeeded(result));
    std::vector<std::string> lines;
    for (const std::string& line : lines_with("epoch ", result.out))
        lines.push_back(line.substr(0, line.find('%')));
    EXPECT_FALSE(lines.empty()) << "no epoch in: " << result.out;
    for (const std::string& line : lines_with("# test accuracy", result.out)) lines.push_back(line);
    return lines;
}

inline double first_loss(const Result& result) {
    EXPECT_TRUE(succeeded(result));
    const std::vector<Epoch> epochs = epochs_of(result);
    return epochs.empty() ? std::nan("") : epochs[0].loss;
}

inline bool is_float() { return run_main("--version").out.find("(float)") != std::string::npos; }

/// Runs main_gpuhost with its CUDA kernels; `settings` go before the command: "GPUHOST_DEVICES=2".
inline std::string main_gpuhost() {
    const fs::path program =
        fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "main_gpuhost";
    if (!fs::exists(program))
        throw std::runtime_error(program.string() +
                                 " is missing: build it with make test-binaries");
    return program.string();
}
inline Result run_gpuhost(int ranks, const std::string& flags, const std::string& settings = "") {
    return run(settings + " " + on_ranks(ranks, flags, main_gpuhost()));
}

/// Kills one of three ranks of an endless training: the others have to end within ten seconds.
inline void expect_a_killed_rank_ends_all(const std::string& training) {
    const fs::path pids = scratch("pids");
    fs::remove(pids);
    Process process("mpirun -np 3 sh -c 'echo $$ >>" + pids.string() + "; exec " + training +
                    " -e 1000000'");
    ASSERT_TRUE(process.prints("epoch ")) << "training has not begun";
    std::vector<pid_t> ranks;
    for (const std::string& line : lines_of(read_text(pids))) ranks.push_back(std::stoi(line));
    ASSERT_EQ(ranks.size(), 3u);
    ASSERT_EQ(kill(ranks[1], SIGKILL), 0);
    EXPECT_NE(process.finish(10).code, 0);
    for (pid_t rank : ranks) {
        for (int i = 0; i < 300 && kill(rank, 0) == 0; ++i) pause(10);
        EXPECT_NE(kill(rank, 0), 0) << "process " << rank << " goes on without mpirun";
    }
}

/// Checks that a run ended with `code`, with only `out` on standard output, and with one line that
/// names what is wrong.
inline testing::AssertionResult refused(const Result& result, int code, const std::string& out,
                                        const std::string& named) {
    const std::string shown = result.out.substr(0, 300) + (result.out.size() > 300 ? "..." : "");
    if (result.code != code)
        return testing::AssertionFailure() << "expected exit code " << code << ", found "
                                           << result.code << "; " << result.err << shown;
    if (result.out != out)
        return testing::AssertionFailure() << "expected '" << out << "' on stdout, found:\n"
                                           << shown;
    const testing::AssertionResult one_line = is_one_line_of_main(result.err);
    return one_line ? says(result.err, named) : one_line;
}

inline void expect_refused(const std::string& flags, const std::string& named) {
    EXPECT_TRUE(refused(run_main(flags), 2, "", named)) << "./main " << flags;
}

/// A training of half a second, and the file of its network.
inline std::string trained_network() {
    static const std::string file = [] {
        const std::string name = scratch("trained.safetensors").string();
        EXPECT_TRUE(succeeded(run_main(small_set() + " -n 16 -e 4 --save " + name)));
        return name;
    }();
    return file;
}

/// The number behind `"name":` in JSON.
inline double json_number(const std::string& json, const std::string& name) {
    const std::string key = "\"" + name + "\":";
    const auto at = json.find(key);
    EXPECT_NE(at, std::string::npos) << "no " << name << " in " << json;
    return at == std::string::npos ? std::nan("")
                                   : std::strtod(json.c_str() + at + key.size(), nullptr);
}

/// The number behind these words of a text.
inline double number_behind(const std::string& words, const std::string& text) {
    const auto at = text.find(words);
    EXPECT_NE(at, std::string::npos) << "no '" << words << "' in " << text;
    return at == std::string::npos ? std::nan("")
                                   : std::strtod(text.c_str() + at + words.size(), nullptr);
}
