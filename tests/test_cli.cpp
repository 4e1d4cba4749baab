// test_cli.cpp: the program as its user meets it: a command line in; exit code, text and files out.
//
// Every test runs ./main, or main_gpuhost, which is the same program with its CUDA kernels on the
// CPU and is found beside this test. Most train on a few hundred images cut from data/, so that a
// run takes a fraction of a second. Run from the project's root.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace fs = std::filesystem;

namespace {

// ---- files
// ---------------------------------------------------------------------------------------

/// A folder for everything that the tests write; it goes when they end.
class ScratchFolder {
  public:
    ScratchFolder() {
        std::string name = (fs::temp_directory_path() / "test_cli.XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("mkdtemp cannot make " + name);
        path = name;
    }
    ~ScratchFolder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    fs::path path;
};
fs::path scratch(const std::string& name) {
    static const ScratchFolder folder;
    return folder.path / name;
}

std::string read_text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Writes the first `count` items of one of MNIST's files, with a header that says so.
void cut(const std::string& name, std::size_t header, std::size_t item, std::size_t count,
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
std::string first_images(std::size_t train, std::size_t test) {
    const fs::path folder = scratch(std::to_string(train) + "-" + std::to_string(test));
    if (fs::create_directory(folder)) {
        cut("train-images-idx3-ubyte", 16, 784, train, folder);
        cut("train-labels-idx1-ubyte", 8, 1, train, folder);
        cut("t10k-images-idx3-ubyte", 16, 784, test, folder);
        cut("t10k-labels-idx1-ubyte", 8, 1, test, folder);
    }
    return "--data " + folder.string();
}
std::string small_set() { return first_images(600, 200); }
std::string tiny_set() { return first_images(200, 50); }  // main_gpuhost is slow

// ---- running a command
// ---------------------------------------------------------------------------

struct Result {
    int code = -1;  ///< as a shell has it: 128 + signal where one ended the command
    std::string out, err;
};

void pause(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

/// A shell command in a process group of its own, its output in files.
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

    /// Whether standard output holds `text` before the command ends, or the time is up.
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

    /// Waits for the end. A command that takes longer than `limit` seconds hangs: it is stopped.
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

    /// Ends the command and all that it started; mpirun is given the time to end its ranks.
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

Result run(const std::string& command) { return Process(command).finish(60); }

/// The command that runs the program on `ranks` ranks; 0: without mpirun.
std::string on_ranks(int ranks, const std::string& flags, const std::string& program = "./main") {
    const std::string start = ranks > 0 ? "mpirun -np " + std::to_string(ranks) + " " : "";
    return start + program + " " + flags;
}
Result run_main(const std::string& flags, int ranks = 0) { return run(on_ranks(ranks, flags)); }

/// Open MPI's settings that the program's user has no need of. mpirun's own words about a rank that
/// fails are left out, so that standard error is the program's alone; a run without mpirun starts
/// no helper; and no time goes into a search for network hardware, of which one machine needs none.
class MpiSettings : public testing::Environment {
    void SetUp() override {
        setenv("OMPI_MCA_orte_execute_quiet", "1", 1);
        setenv("OMPI_MCA_ess_singleton_isolated", "1", 1);
        setenv("OMPI_MCA_pml", "ob1", 1);
    }
};
[[maybe_unused]] const auto* const mpi_settings =
    testing::AddGlobalTestEnvironment(new MpiSettings);

// ---- reading what it printed
// ---------------------------------------------------------------------

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

std::vector<std::string> lines_with(const std::string& start, const std::string& text) {
    std::vector<std::string> found;
    for (const std::string& line : lines_of(text))
        if (line.starts_with(start)) found.push_back(line);
    return found;
}

testing::AssertionResult says(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "expected '" << part << "' in:\n" << text;
}

testing::AssertionResult is_one_line_of_main(const std::string& text) {
    if (text.starts_with("main: ") && text.find('\n') == text.size() - 1)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << "expected one line 'main: ...', found:\n" << text;
}

testing::AssertionResult succeeded(const Result& result) {
    if (result.code == 0 && result.err.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "exit code " << result.code << ", stderr: " << result.err
                                       << "\nstdout: " << result.out;
}

testing::AssertionResult check_passed(const Result& result) {
    const testing::AssertionResult ended_well = succeeded(result);
    if (!ended_well) return ended_well;
    const std::vector<std::string> lines = lines_of(result.out);
    if (!lines.empty() && lines.back().starts_with("CHECK PASSED: "))
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << "the last line is not CHECK PASSED:\n" << result.out;
}

/// A progress line: the numbers that it shows.
struct Epoch {
    int number = 0, of = 0;
    double loss = 0, accuracy = 0, images_per_second = 0;
};
std::vector<Epoch> epochs_of(const Result& result) {
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

/// What a run learned: its epochs' losses and accuracies and the test accuracy, without what
/// depends on the clock.
std::vector<std::string> learned(const Result& result) {
    EXPECT_TRUE(succeeded(result));
    std::vector<std::string> lines;
    for (const std::string& line : lines_with("epoch ", result.out))
        lines.push_back(line.substr(0, line.find('%')));
    EXPECT_FALSE(lines.empty()) << "no epoch in: " << result.out;
    for (const std::string& line : lines_with("# test accuracy", result.out)) lines.push_back(line);
    return lines;
}

double first_loss(const Result& result) {
    EXPECT_TRUE(succeeded(result));
    const std::vector<Epoch> epochs = epochs_of(result);
    return epochs.empty() ? std::nan("") : epochs[0].loss;
}

bool is_float() { return run_main("--version").out.find("(float)") != std::string::npos; }

// ---- --help and --version
// ------------------------------------------------------------------------

TEST(Help, NamesEveryFlagAndItsDefault) {
    const Result help = run_main("--help");
    ASSERT_TRUE(succeeded(help));
    const struct {
        const char *names, *preset;
    } flags[] = {{"-h,--help", ""},
                 {"--version", ""},
                 {"-n,--hidden", "=200"},
                 {"-b,--batch", "=24"},
                 {"-e,--epochs", "=16"},
                 {"-l,--learning-rate", "=1.2"},
                 {"--lr-decay", "=0.88"},
                 {"-r,--reg", "=3e-05"},
                 {"--init-scale", "=0.1"},
                 {"--train-size", "=0"},
                 {"--shuffle", ""},
                 {"--no-shuffle", ""},
                 {"--raw-pixels", ""},
                 {"-p,--print-every", "=0"},
                 {"-s,--compare", ""},
                 {"-g,--grade", ""},
                 {"--seed", "=1"},
                 {"--device", "=auto"},
                 {"--threads", "=0"},
                 {"--gemm", "=auto"},
                 {"--allreduce", "=auto"},
                 {"--data", "=data"},
                 {"--scatter", "=once"},
                 {"--cuda-aware", ""},
                 {"--csv", ""}};
    for (const auto& flag : flags) {
        const std::vector<std::string> found =
            lines_with("  " + std::string(flag.names) + " ", help.out);
        ASSERT_EQ(found.size(), 1u) << flag.names << " in:\n" << help.out;
        EXPECT_TRUE(says(found[0] + " ", std::string(flag.preset) + " "));
    }
    EXPECT_EQ(lines_with("  -", help.out).size(), std::size(flags))
        << "this test does not know every flag";
    EXPECT_EQ(run_main("-h").out, help.out);
}

TEST(Help, DefaultsAreWhatARunWithoutFlagsTakes) {
    const Result plain = run_main(small_set());
    ASSERT_TRUE(succeeded(plain));
    EXPECT_TRUE(says(plain.out, "network    784-200-10, "));
    EXPECT_TRUE(
        says(plain.out, "16 epochs, batch 24, rate 1.2 x 0.88 each epoch, reg 3e-05, seed 1\n"));
    EXPECT_TRUE(says(plain.out, "shuffled each epoch, pixels 0..1\n"));
    EXPECT_TRUE(says(plain.out, "600 training, 0 held out, 200 test images of 28 x 28\n"));
    EXPECT_EQ(epochs_of(plain).size(), 16u);
    EXPECT_EQ(lines_with("step ", plain.out).size(), 0u);
}

TEST(Help, IsPrintedOnceByThreeRanks) {
    const Result help = run_main("--help", 3);
    EXPECT_TRUE(succeeded(help));
    EXPECT_EQ(help.out, run_main("--help").out);
}

TEST(Version, IsPrintedOnceByThreeRanks) {
    const Result version = run_main("--version", 3);
    EXPECT_TRUE(succeeded(version));
    EXPECT_TRUE(std::regex_match(
        version.out, std::regex("main [0-9]+\\.[0-9]+\\.[0-9]+ \\((float|double)\\)\n")))
        << version.out;
}

// ---- what each flag does
// -------------------------------------------------------------------------

TEST(Flags, ShortAndLongNamesMeanTheSame) {
    const Result brief = run_main(small_set() + " -n 12,5 -b 40 -e 3 -l 0.5 -r 0.001 -p 7 -s");
    const Result full = run_main(small_set() +
                                 " --hidden 12,5 --batch 40 --epochs 3 --learning-rate 0.5"
                                 " --reg 0.001 --print-every 7 --compare");
    EXPECT_TRUE(says(brief.out, "network    784-12-5-10, 9545 parameters\n"));
    EXPECT_TRUE(
        says(brief.out, "3 epochs, batch 40, rate 0.5 x 0.88 each epoch, reg 0.001, seed 1\n"));
    EXPECT_EQ(epochs_of(brief).size(), 3u);
    EXPECT_TRUE(check_passed(brief));
    EXPECT_TRUE(check_passed(full));
    EXPECT_EQ(learned(brief), learned(full));
    EXPECT_EQ(lines_with("step ", brief.out), lines_with("step ", full.out));
    EXPECT_EQ(lines_with("# tensor", brief.out), lines_with("# tensor", full.out));
}

TEST(Flags, AreToldInTheBanner) {
    const struct {
        const char *flags, *told;
    } cases[] = {{"--lr-decay 0.5", "rate 1.2 x 0.5 each epoch"},
                 {"--seed 18446744073709551615", "seed 18446744073709551615\n"},
                 {"--train-size 400", "400 training, 200 held out, 200 test images"},
                 {"--raw-pixels", "pixels 0..255"},
                 {"--no-shuffle", "images     in the file's order"},
                 {"--shuffle", "images     shuffled each epoch"},
                 {"--scatter every-step", "scattered every step"},
                 {"--scatter once", "scattered once"},
                 {"--device cpu", "CPU ("},
                 {"--device cpu --threads 1", ", 1 thread)\n"},
                 {"--device cpu --threads 3", ", 3 threads)\n"},
                 {"--device cpu --gemm fp32", is_float() ? ", gemm fp32, " : ", gemm fp64, "},
                 {"--allreduce mpi", " 1 rank\n"},
                 {"--device cpu --allreduce shared", " 1 rank\n"}};
    for (const auto& c : cases) {
        const Result told = run_main(small_set() + " -n 8 -e 1 " + c.flags);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(told.out, c.told)) << c.flags;
    }
}

TEST(Flags, BannerNamesTheDeviceOfEachRank) {
    const Result three = run_main(small_set() + " -n 8 -e 1 --device cpu", 3);
    EXPECT_TRUE(succeeded(three));
    EXPECT_TRUE(says(three.out, ", 3 ranks, "));
    const std::vector<std::string> ranks = lines_with("# rank ", three.out);
    ASSERT_EQ(ranks.size(), 3u) << three.out;
    for (std::size_t r = 0; r < 3; ++r) {
        EXPECT_TRUE(ranks[r].starts_with("# rank " + std::to_string(r) + " ")) << ranks[r];
        EXPECT_TRUE(says(ranks[r], "CPU"));
    }
}

TEST(Flags, BannerTellsHowGradientsAreAddedUp) {
    const struct {
        const char *flags, *told;
    } cases[] = {{"", "shared memory"},
                 {"--allreduce auto", "shared memory"},
                 {"--allreduce shared", "shared memory"},
                 {"--allreduce mpi", "MPI_Allreduce"}};
    for (const auto& c : cases) {
        const Result told = run_main(small_set() + " -n 8 -e 1 --device cpu " + c.flags, 2);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(told.out, std::string(", 2 ranks, gradients added up ") +
                                       (c.told[0] == 's' ? "in " : "by ") + c.told + "\n"));
    }
}

TEST(Flags, SharedMemoryAndAllreduceLearnTheSameOnTwoRanks) {
    const std::string flags = small_set() + " -n 12 -e 2 -b 50 --device cpu --threads 2";
    EXPECT_EQ(learned(run_main(flags + " --allreduce shared", 2)),
              learned(run_main(flags + " --allreduce mpi", 2)));
}

TEST(Flags, GemmAutoIsBf16x3WhereItCanBeAndSlicesAreLargeEnough) {
    const std::string flags = small_set() + " -n 8 -e 1 --device cpu";
    const char* const plain = is_float() ? ", gemm fp32, " : ", gemm fp64, ";
    const Result asked = run_main(flags + " -b 32 --gemm bf16x3");
    const Result large = run_main(flags + " -b 32"), small = run_main(flags + " -b 31");
    EXPECT_TRUE(says(small.out, plain));
    if (asked.code == 0) {
        EXPECT_TRUE(says(asked.out, ", gemm bf16x3, "));
        EXPECT_TRUE(says(large.out, ", gemm bf16x3, "));
        EXPECT_EQ(learned(asked), learned(large));
    } else {
        EXPECT_EQ(asked.code, 2);
        EXPECT_TRUE(says(large.out, plain));
    }
}

TEST(Flags, PrintEveryFiveTellsEveryFifthStep) {
    const Result steps = run_main(small_set() + " -n 8 -e 2 -b 48 -p 5");  // 13 steps an epoch
    EXPECT_TRUE(succeeded(steps));
    std::vector<std::string> told;
    for (const std::string& line : lines_with("step ", steps.out))
        told.push_back(line.substr(0, line.find("  loss")));
    EXPECT_EQ(told,
              (std::vector<std::string>{"step  1:05", "step  1:10", "step  2:05", "step  2:10"}));
    EXPECT_EQ(learned(steps), learned(run_main(small_set() + " -n 8 -e 2 -b 48")));
}

TEST(Flags, RateZeroLearnsNothing) {
    const std::vector<Epoch> still = epochs_of(run_main(small_set() + " -n 8 -e 2 -l 0"));
    ASSERT_EQ(still.size(), 2u);
    EXPECT_NEAR(still[0].loss, still[1].loss, 1.5e-5);
    EXPECT_EQ(still[0].accuracy, still[1].accuracy);
}

TEST(Flags, DecayZeroStopsAfterTheFirstEpoch) {
    const std::vector<Epoch> one =
        epochs_of(run_main(small_set() + " -n 8 -e 3 --lr-decay 0 --no-shuffle"));
    ASSERT_EQ(one.size(), 3u);
    EXPECT_LT(one[1].loss, 0.9 * one[0].loss);
    EXPECT_EQ(one[2].loss, one[1].loss);
    EXPECT_EQ(one[2].accuracy, one[0].accuracy);
}

TEST(Flags, InitScaleIsTheWeightsDeviation) {
    // Without weights and biases all ten classes are equally likely.
    EXPECT_NEAR(first_loss(run_main(small_set() + " -n 8 -e 1 -l 0 --init-scale 1e-9")),
                std::log(10.0), 1e-5);
}

TEST(Flags, RegAddsHalfTheWeightsSquares) {
    const std::string still = small_set() + " -n 16 -e 1 -l 0 --init-scale 0.01 -r ";
    const double penalty = first_loss(run_main(still + "1")) - first_loss(run_main(still + "0"));
    const double weights = 16 * (784 + 10);
    EXPECT_NEAR(penalty, 0.5 * weights * 0.01 * 0.01, 0.05 * penalty);  // 4 deviations of the sum
}

TEST(Flags, SeedAndOrderAndPixelsChangeTheRun) {
    const std::string same = small_set() + " -n 8 -e 2 ";
    std::set<std::vector<std::string>> runs;
    const char* const different[] = {"", "--seed 2", "--no-shuffle", "--raw-pixels"};
    for (const char* flags : different) runs.insert(learned(run_main(same + flags)));
    EXPECT_EQ(runs.size(), std::size(different));
    EXPECT_EQ(learned(run_main(same + "--seed 1 --shuffle")), learned(run_main(same)));
}

TEST(Flags, TrainSizeShowsTheHeldOutAccuracy) {
    const Result held = run_main(small_set() + " -n 8 -e 1 --train-size 400");
    EXPECT_TRUE(succeeded(held));
    EXPECT_TRUE(says(held.out, "  held-out accuracy "));
    EXPECT_TRUE(says(run_main(small_set() + " -n 8 -e 1").out, "  test accuracy "));
}

TEST(Flags, CsvHasTheNumbersOfEveryEpoch) {
    const fs::path file = scratch("epochs.csv");
    const Result result = run_main(small_set() + " -n 8 -e 3 --csv " + file.string(), 2);
    ASSERT_TRUE(succeeded(result));
    const std::vector<Epoch> printed = epochs_of(result);
    const std::vector<std::string> rows = lines_of(read_text(file));
    ASSERT_EQ(printed.size(), 3u);
    ASSERT_EQ(rows.size(), 4u) << read_text(file);
    EXPECT_EQ(rows[0], "epoch,loss,accuracy,images_per_second,seconds");
    for (std::size_t i = 0; i < 3; ++i) {
        int number = 0;
        double loss = 0, accuracy = 0, rate = 0, seconds = 0;
        ASSERT_EQ(std::sscanf(rows[i + 1].c_str(), "%d,%lf,%lf,%lf,%lf", &number, &loss, &accuracy,
                              &rate, &seconds),
                  5)
            << rows[i + 1];
        EXPECT_EQ(number, printed[i].number);
        EXPECT_NEAR(loss, printed[i].loss, 0.51e-5);  // five digits are printed
        EXPECT_NEAR(100 * accuracy, printed[i].accuracy, 0.51e-2);
        EXPECT_EQ(rate, printed[i].images_per_second);
        EXPECT_GT(seconds, 0);
    }
}

TEST(Flags, BothWaysToScatterLearnTheSame) {
    for (const char* order : {" --shuffle", " --no-shuffle"}) {
        const std::string flags = small_set() + " -n 8 -e 2 -b 50" + order;
        EXPECT_EQ(learned(run_main(flags + " --scatter every-step", 3)),
                  learned(run_main(flags + " --scatter once", 3)))
            << order;
    }
}

TEST(Flags, TheSameRunTwiceLearnsTheSame) {
    const std::string flags = small_set() + " -n 8,6 -e 2 -b 37";
    EXPECT_EQ(learned(run_main(flags, 3)), learned(run_main(flags, 3)));
}

TEST(Footer, TellsAccuracyTimesAndThatTheRanksAgree) {
    const Result result = run_main(small_set() + " -n 16 -e 2", 3);
    ASSERT_TRUE(succeeded(result));
    const std::vector<std::string> accuracy = lines_with("# test accuracy ", result.out);
    ASSERT_EQ(accuracy.size(), 1u);
    double percent = 0;
    int right = 0, all = 0;
    ASSERT_EQ(std::sscanf(accuracy[0].c_str(), "# test accuracy %lf %% (%d of %d)", &percent,
                          &right, &all),
              3)
        << accuracy[0];
    EXPECT_EQ(all, 200);
    EXPECT_NEAR(percent, 100.0 * right / all, 0.51e-2);
    EXPECT_EQ(percent, epochs_of(result).back().accuracy);
    EXPECT_GT(percent, 40) << "16 hidden neurons learn more than this from 600 images";
    const std::vector<std::string> times = lines_with("# time ", result.out);
    ASSERT_EQ(times.size(), 1u);
    for (const char* part : {"data ", "compute ", "communication "})
        EXPECT_TRUE(says(times[0], part));
    const bool shared = says(result.out, "in shared memory");
    EXPECT_EQ(lines_of(result.out).back(), shared ? "# ranks agree: they share one copy"
                                                  : "# ranks agree: all hold the same bits");
}

// ---- comparison and grading
// ----------------------------------------------------------------------

TEST(Compare, PassesAtOneTwoAndThreeRanks) {
    for (int ranks : {0, 1, 2, 3}) {
        const Result result = run_main(small_set() + " -s -n 12,9 -b 67 -e 2", ranks);
        EXPECT_TRUE(check_passed(result)) << ranks << " ranks";
        for (const char* tensor : {"# W1 ", "# b1 ", "# W2 ", "# b2 ", "# W3 ", "# b3 "})
            EXPECT_EQ(lines_with(tensor, result.out).size(), 1u) << tensor << ranks << " ranks";
        EXPECT_EQ(lines_with("CHECK ", result.out).size(), 1u) << ranks << " ranks";
    }
}

TEST(Compare, PassesWithEachGemmAndAnyThreads) {
    for (const char* flags :
         {"--gemm fp32 --threads 1", "--gemm fp32 --threads 3", "--gemm auto --threads 1",
          "--gemm auto --threads 3", "--gemm auto --threads 2 --allreduce mpi"})
        for (int ranks : {1, 2}) {
            const Result result =
                run_main(small_set() + " -s --device cpu -n 70,9 -b 67 -e 2 " + flags, ranks);
            EXPECT_TRUE(check_passed(result)) << flags << ", " << ranks << " ranks";
        }
}

TEST(Compare, PassesWithMoreRanksAndThreadsThanImages) {
    const Result result = run_main(
        first_images(20, 10) + " -s --device cpu -n 9 -b 2 -e 2 --threads 3 --gemm fp32", 4);
    EXPECT_TRUE(check_passed(result));
}

TEST(Compare, PassesWithBf16x3) {
    const Result result =
        run_main(small_set() + " -s --device cpu -n 70,9 -b 67 -e 2 --gemm bf16x3", 2);
    if (result.code == 2) GTEST_SKIP() << result.err;
    EXPECT_TRUE(check_passed(result));
    EXPECT_TRUE(says(result.out, ", gemm bf16x3, "));
}

TEST(Grade, OneAndTwoTrainAsTheCourseDoes) {
    const struct {
        const char *flag, *training;
    } modes[] = {{"-g 1", "40 epochs, batch 800, rate 0.0005 x 1 each epoch, reg 0.0001"},
                 {"--grade 2", "10 epochs, batch 800, rate 0.001 x 1 each epoch, reg 0.0001"}};
    for (const auto& mode : modes) {  // minutes long: they are stopped after the banner
        Process process(on_ranks(0, mode.flag));
        EXPECT_TRUE(process.prints("in the file's order, pixels 0..255")) << mode.flag;
        process.stop();
        const std::string banner = process.finish(1).out;
        EXPECT_TRUE(says(banner, mode.training));
        EXPECT_TRUE(says(banner, "54000 training, 6000 held out, 10000 test"));
        EXPECT_TRUE(says(banner, "network    784-100-10, "));
    }
}

TEST(Grade, ThreeTrainsAsTheCourseDoesAndPasses) {
    const Result result = run_main("-g 3", 2);
    EXPECT_TRUE(says(result.out, "1 epoch, batch 800, rate 0.002 x 1 each epoch, reg 0.0001"));
    EXPECT_TRUE(says(result.out, "54000 training, 6000 held out, 10000 test"));
    EXPECT_TRUE(says(result.out, "in the file's order, pixels 0..255"));
    EXPECT_TRUE(check_passed(result));
}

TEST(Grade, FourJudgesTheGemmOnce) {
    const Result result = run_main("-g 4", 2);
    EXPECT_TRUE(check_passed(result));
    for (const char* size : {" 800 x 1000 x  784  ", " 800 x   10 x 1000  "}) {
        EXPECT_EQ(lines_with(std::string(size) + "hand-written kernel ", result.out).size(), 1u);
        const std::vector<std::string> library =
            lines_with(std::string(size) + "CPU library ", result.out);
        ASSERT_EQ(library.size(), 1u) << result.out;
        EXPECT_TRUE(says(library[0], "GFLOP/s  OK"));
    }
}

// ---- refusals
// ------------------------------------------------------------------------------------

/// Whether a run ended with `code`, with `out` and nothing else on standard output, and with one
/// line that names what is wrong.
testing::AssertionResult refused(const Result& result, int code, const std::string& out,
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

void expect_refused(const std::string& flags, const std::string& named) {
    EXPECT_TRUE(refused(run_main(flags), 2, "", named)) << "./main " << flags;
}

/// At three ranks the line is still one, and every rank's own exit code is 2.
void expect_refused_by_all(const std::string& flags, const std::string& named) {
    const Result result = run("mpirun -np 3 sh -c './main " + flags + "; echo rc $?'");
    EXPECT_TRUE(refused(result, 0, "rc 2\nrc 2\nrc 2\n", named)) << "3 ranks, ./main " << flags;
}

/// A run that is over at once, should the program take the bad flag beside it.
std::string short_run() { return first_images(10, 10) + " "; }

TEST(Refusals, GradingModesWithOtherFlagsOrTooFewImages) {
    EXPECT_TRUE(refused(run_main("-g 4 --device cpu"), 2, "", "--device"));
    EXPECT_TRUE(refused(run_main(small_set() + " -g 1"), 2, "", "at least 6000 training images"));
}

TEST(Refusals, TextThatIsNoWholeNumberInRange) {
    const struct {
        const char *flag, *name;
        std::vector<std::string> outside;
    } flags[] = {
        {"-b", "--batch", {"0", "2147483648"}},
        {"-e", "--epochs", {"0", "1000001"}},
        {"-p", "--print-every", {"2147483648"}},
        {"-g", "--grade", {"0", "5"}},
        {"--train-size", "--train-size", {"4294967296"}},
        {"--seed", "--seed", {"18446744073709551616"}},
        {"--threads", "--threads", {"1025"}},
    };
    for (const auto& flag : flags) {
        std::vector<std::string> bad = {"x",   "3x",  "0x3", "03", "2.5", "1e1",
                                        "nan", "inf", "-1",  "+3", "''",  "' 3'"};
        bad.insert(bad.end(), flag.outside.begin(), flag.outside.end());
        for (const std::string& text : bad)
            expect_refused(short_run() + flag.flag + " " + text, flag.name);
    }
}

TEST(Refusals, TextThatIsNoNumberInRange) {
    const struct {
        const char *flag, *name;
    } flags[] = {{"-l", "--learning-rate"},
                 {"--lr-decay", "--lr-decay"},
                 {"-r", "--reg"},
                 {"--init-scale", "--init-scale"}};
    for (const auto& flag : flags)
        for (const char* text : {"x", "1.5x", "0x1p2", "1,5", "nan", "-nan", "inf", "-inf", "-0.5",
                                 "1e39", "1e999", "''"})
            expect_refused(short_run() + flag.flag + " " + text, flag.name);
}

TEST(Refusals, HiddenSizesThatAreNoListOfSizes) {
    for (const char* text : {"''", "x", "1,,2", "1,", ",1", "'1 2'", "'1;2'", "0", "8,0", "-1",
                             "0x10", "010", "2.5", "1e3", "nan", "1048577", "99999999999999999999"})
        expect_refused(short_run() + "-n " + text, "-n");
}

TEST(Refusals, FlagsThatAreUnknownOrGivenWrongly) {
    const struct {
        const char *flags, *named;
    } cases[] = {{"--bogus", "--bogus"},
                 {"-z", "-z"},
                 {"--batches 3", "--batches"},
                 {"extra", "extra"},
                 {"''", "argument"},
                 {"-b 8 9", "9"},
                 {"-b 8 -b 9", "--batch"},
                 {"-b", "--batch"},
                 {"--seed", "--seed"},
                 {"--device gpu", "--device"},
                 {"--device CPU", "--device"},
                 {"--scatter never", "--scatter"},
                 {"--threads", "--threads"},
                 {"--gemm fp64", "--gemm"},
                 {"--gemm FP32", "--gemm"},
                 {"--gemm", "--gemm"},
                 {"--allreduce nccl", "--allreduce"},
                 {"--allreduce ''", "--allreduce"},
                 {"--shuffle --no-shuffle", "--shuffle"},
                 {"--csv ''", "--csv"},
                 {"--compare=3", "--compare"},
                 {"--raw-pixels=2", "--raw-pixels"},
                 {"--no-shuffle=7", "--no-shuffle"},
                 {"--version=3", "--version"}};
    for (const auto& c : cases) expect_refused(short_run() + c.flags, c.named);
}

TEST(Refusals, WhatAGradingModeFixesBesideIt) {
    for (const char* fixed :
         {"-n 8", "-b 8", "-e 1", "-l 1", "--lr-decay 1", "-r 0", "--init-scale 1",
          "--train-size 5", "--shuffle", "--no-shuffle", "--raw-pixels"})
        expect_refused(short_run() + "-g 3 " + fixed, "--grade");
}

TEST(Refusals, InputThatCannotBeUsed) {
    const fs::path empty = scratch("empty"), torn = scratch("torn");
    fs::create_directory(empty);
    const std::string whole = first_images(20, 10).substr(std::string("--data ").size());
    fs::copy(whole, torn);
    fs::resize_file(torn / "train-images-idx3-ubyte", 100);
    expect_refused("--data nowhere", "nowhere");
    expect_refused("--data Makefile", "Makefile");
    expect_refused("--data " + empty.string(), empty.string());
    expect_refused("--data " + torn.string(), "train-images-idx3-ubyte");
    expect_refused(short_run() + "--train-size 11", "--train-size");
    expect_refused(short_run() + "-n 1048576,1048576", "-n");
    expect_refused(short_run() + "-e 1 --csv nowhere/epochs.csv", "nowhere/epochs.csv");
    expect_refused(short_run() + "-e 1 --csv " + empty.string(), empty.string());
}

TEST(Refusals, AreOneLineAndExitCodeTwoOnEachOfThreeRanks) {
    expect_refused_by_all("--bogus", "--bogus");
    expect_refused_by_all("-b 0", "--batch");
    expect_refused_by_all("-n 1,,2", "-n");
    expect_refused_by_all("-g 3 -b 8", "--grade");
    expect_refused_by_all("--data nowhere", "nowhere");
    expect_refused_by_all(short_run() + "--train-size 11", "--train-size");
    expect_refused_by_all(short_run() + "-n 1048576,1048576", "-n");
    expect_refused_by_all(short_run() + "-e 1 --csv nowhere/epochs.csv", "nowhere/epochs.csv");
    EXPECT_EQ(run_main("--bogus", 3).code, 2) << "mpirun's own exit code";
}

TEST(Refusals, DeviceCudaWithoutAGpu) {
    if (run_main(short_run() + "-e 1").out.find("no device") == std::string::npos)
        GTEST_SKIP() << "there is a GPU here";
    expect_refused(short_run() + "--device cuda", "--device cuda");
    expect_refused_by_all(short_run() + "--device cuda", "--device cuda");
}

TEST(Refusals, Bf16x3WhereItCannotBe) {
    const std::string flags = short_run() + "-e 1 --device cpu --gemm bf16x3";
    if (is_float() && run_main(flags).code == 0) GTEST_SKIP() << "there are bf16 tiles here";
    expect_refused(flags, "--gemm bf16x3");
    expect_refused(flags, is_float() ? "AMX" : "double");
    expect_refused_by_all(flags, "--gemm bf16x3");
}

TEST(Refusals, CudaAwareWithoutAnMpiThatIs) {
    if (run("ompi_info --parsable --all").out.find("cuda_support:value:true") != std::string::npos)
        GTEST_SKIP() << "this MPI is CUDA-aware";
    expect_refused(short_run() + "--cuda-aware", "--cuda-aware");
    expect_refused_by_all(short_run() + "--cuda-aware", "--cuda-aware");
}

// ---- failures
// ------------------------------------------------------------------------------------

TEST(Failures, TrainingThatDivergesSaysSo) {
    for (int ranks : {0, 3}) {
        const Result result = run_main(small_set() + " -n 8 -e 2 -l 1e30", ranks);
        EXPECT_EQ(result.code, 1) << ranks << " ranks";
        EXPECT_TRUE(is_one_line_of_main(result.err)) << ranks << " ranks";
        EXPECT_TRUE(says(result.err, "diverged"));
        EXPECT_TRUE(says(result.err, "-l"));
        EXPECT_EQ(lines_with("epoch ", result.out).size(), 0u) << result.out;
    }
}

TEST(Failures, AFullDiskUnderTheCsvFileEndsTheRun) {
    for (int ranks : {0, 2}) {
        const Result result = run_main(small_set() + " -n 8 -e 2 --csv /dev/full", ranks);
        EXPECT_EQ(result.code, 3) << ranks << " ranks";
        EXPECT_TRUE(is_one_line_of_main(result.err)) << ranks << " ranks";
        for (const char* part : {"rank 0", "--csv", "No space left on device"})
            EXPECT_TRUE(says(result.err, part));
    }
}

TEST(Failures, TooLittleMemoryEndsEveryRank) {
    const std::string limited = "ulimit -v 3000000; ";  // KiB; the network alone takes 3.3 GB
    for (const char* allreduce : {"mpi", "shared"}) {
        const Result result =
            run(limited + on_ranks(2, first_images(10, 10) + " --device cpu -e 1 -n 1048576" +
                                          " --allreduce " + allreduce));
        EXPECT_EQ(result.code, 3) << result.err;
        EXPECT_TRUE(says(result.err, "main: rank "));
        EXPECT_TRUE(says(result.err, "out of memory"));
    }
}

/// As in a container, whose /dev/shm is small: Open MPI itself finds its room there, the parameters
/// and gradients do not.
TEST(Failures, TooLittleSharedMemoryIsNoHang) {
    const auto with_little = [](const std::string& command) {
        return run("unshare -m sh -c 'mount -t tmpfs -o size=10m tmpfs /dev/shm && " + command +
                   "'");
    };
    if (with_little("true").code != 0) GTEST_SKIP() << "/dev/shm cannot be made small here";
    const std::string flags = small_set() + " --device cpu -n 3000 -b 300 -e 1 --allreduce ";
    const Result automatic = with_little(on_ranks(2, flags + "auto"));
    EXPECT_TRUE(succeeded(automatic));
    EXPECT_TRUE(says(automatic.out, "added up by MPI_Allreduce"));
    const Result shared = with_little(on_ranks(2, flags + "shared"));
    EXPECT_EQ(shared.code, 2);
    EXPECT_TRUE(says(shared.err, "/dev/shm"));
}

TEST(Failures, MoreThreadsThanTheSystemGivesEndEveryRank) {
    const std::string limited = "ulimit -v 3000000; ";  // KiB; the stacks alone take 8 GB
    for (int ranks : {0, 2}) {
        const Result result = run(limited + on_ranks(ranks, short_run() + "--device cpu -e 1 "
                                                                          "--threads 1024"));
        EXPECT_EQ(result.code, 3) << ranks << " ranks";
        for (const char* part : {"main: rank ", "1024 threads", "--threads"})
            EXPECT_TRUE(says(result.err, part));
    }
}

TEST(Failures, AKilledRankEndsTheOthers) {
    const fs::path pids = scratch("pids");
    Process process("mpirun -np 3 sh -c 'echo $$ >>" + pids.string() + "; exec ./main " +
                    small_set() + " -n 8 -e 1000000'");
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

// ---- terminal and file
// ---------------------------------------------------------------------------

/// Runs the command on a pseudo-terminal and returns what the terminal saw.
std::string on_terminal(const std::string& command) {
    return run("script -qec \"" + command + "\" /dev/null").out;
}

TEST(Output, InAFileIsPlainLines) {
    const std::string flags = small_set() + " -n 8 -e 2 -p 20";
    const fs::path file = scratch("redirected");
    for (const std::string& command : {on_ranks(0, flags), on_ranks(2, flags),
                                       on_ranks(2, "", "sh -c '" + on_ranks(0, flags) + "'")}) {
        on_terminal(command + " >" + file.string());  // standard error stays a terminal
        const std::string text = read_text(file);
        EXPECT_EQ(text.find_first_of("\r\033"), std::string::npos) << command << "\n" << text;
        EXPECT_EQ(lines_with("epoch ", text).size(), 2u) << command;
        EXPECT_EQ(lines_with("step ", text).size(), 2u) << command;
    }
}

TEST(Output, OnATerminalIsRedrawnInOneLine) {
    for (int ranks : {0, 2}) {
        const std::string seen = on_terminal(on_ranks(ranks, small_set() + " -n 8 -e 3 -p 20"));
        const std::size_t first = seen.find("pixels 0..1\r\n"), last = seen.find("# test accur");
        ASSERT_NE(first, std::string::npos) << seen;
        ASSERT_NE(last, std::string::npos) << seen;
        const std::string progress = seen.substr(first + 13, last - first - 13);
        EXPECT_EQ(progress.find('\n'), progress.size() - 1) << "only the last epoch's line stays";
        for (const char* word : {"epoch ", "step "}) {
            int drawn = 0;
            for (auto at = progress.find(word); at != std::string::npos;
                 at = progress.find(word, at + 1), ++drawn)
                EXPECT_TRUE(at == 0 || progress[at - 1] == '\r' ||
                            progress.substr(0, at).ends_with("\r\033[K"))
                    << "'" << progress.substr(at, 11)
                    << "' follows what already stands in the line";
            EXPECT_EQ(drawn, 3) << word << "in " << progress;
        }
    }
}

// ---- the whole program with its CUDA kernels on the CPU
// ------------------------------------------

/// Runs main_gpuhost on the CUDA back end; `settings` go before the command: "GPUHOST_DEVICES=2".
Result run_gpuhost(int ranks, const std::string& flags, const std::string& settings = "") {
    const fs::path program =
        fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "main_gpuhost";
    if (!fs::exists(program))
        throw std::runtime_error(program.string() +
                                 " is missing: build it with make test-binaries");
    return run(settings + " " + on_ranks(ranks, flags, program.string()));
}

TEST(Gpuhost, LearnsWhatTheCpuLearns) {
    const std::string flags = tiny_set() + " -n 12 -b 20 -e 3 --device ";
    const Result kernels = run_gpuhost(2, flags + "cuda"), cpu = run_gpuhost(2, flags + "cpu");
    ASSERT_TRUE(succeeded(kernels));
    ASSERT_TRUE(succeeded(cpu));
    EXPECT_TRUE(says(lines_with("# rank 1 ", kernels.out).at(0), "gpuhost"));
    EXPECT_TRUE(says(lines_with("# rank 1 ", cpu.out).at(0), "CPU ("));
    const std::vector<Epoch> ours = epochs_of(kernels), theirs = epochs_of(cpu);
    ASSERT_EQ(ours.size(), 3u);
    ASSERT_EQ(theirs.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_NEAR(ours[i].loss, theirs[i].loss, 1e-4) << "epoch " << i + 1;
        EXPECT_NEAR(ours[i].accuracy, theirs[i].accuracy, 2) << "one of 50 images is 2 %";
    }
}

TEST(Gpuhost, ComparePassesAtOneTwoAndThreeRanks) {
    for (int ranks : {1, 2, 3}) {
        const Result result =
            run_gpuhost(ranks, tiny_set() + " -s -n 9,7 -b 32 -e 1 --device cuda");
        EXPECT_TRUE(check_passed(result)) << ranks << " ranks";
        EXPECT_EQ(lines_with("# W3 ", result.out).size(), 1u) << ranks << " ranks";
    }
}

TEST(Gpuhost, ServesMoreRanksThanGpus) {
    const Result result = run_gpuhost(3, tiny_set() + " -s -n 9 -b 32 -e 1", "GPUHOST_DEVICES=2");
    EXPECT_TRUE(check_passed(result));
    EXPECT_TRUE(says(result.out, "2 devices\n"));
    for (const char* rank : {"# rank 0 ", "# rank 1 ", "# rank 2 "})
        EXPECT_TRUE(says(lines_with(rank, result.out).at(0), "gpuhost"));
}

TEST(Gpuhost, WithoutAGpuAutoTakesTheCpuAndCudaIsRefused) {
    const std::string none = "GPUHOST_DEVICES=0";
    const Result automatic = run_gpuhost(2, tiny_set() + " -n 9 -e 1", none);
    EXPECT_TRUE(succeeded(automatic));
    for (const char* rank : {"# rank 0 ", "# rank 1 "})
        EXPECT_TRUE(says(lines_with(rank, automatic.out).at(0), "CPU ("));
    const Result cuda = run_gpuhost(2, tiny_set() + " -n 9 -e 1 --device cuda", none);
    EXPECT_EQ(cuda.code, 2);
    EXPECT_EQ(cuda.out, "");
    EXPECT_TRUE(is_one_line_of_main(cuda.err));
    EXPECT_TRUE(says(cuda.err, "--device cuda"));
}

TEST(Gpuhost, RanksOfWhichOneHasNoGpuAllTakeTheCpu) {
    const fs::path program =
        fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "main_gpuhost";
    const Result mixed =
        run(on_ranks(2, "",
                     "sh -c 'GPUHOST_DEVICES=$OMPI_COMM_WORLD_RANK exec " + program.string() + " " +
                         tiny_set() + " -s -n 9 -b 32 -e 1'"));
    EXPECT_TRUE(check_passed(mixed));
    for (const char* rank : {"# rank 0 ", "# rank 1 "})
        EXPECT_TRUE(says(lines_with(rank, mixed.out).at(0), "CPU ("));
}

TEST(Gpuhost, GpusShareNoMemory) {
    const std::string flags = tiny_set() + " -n 9 -b 30 -e 1 --device cuda";
    const Result automatic = run_gpuhost(2, flags);
    EXPECT_TRUE(succeeded(automatic));
    EXPECT_TRUE(says(automatic.out, "added up by MPI_Allreduce\n"));
    const Result shared = run_gpuhost(0, flags + " --allreduce shared");
    EXPECT_EQ(shared.code, 2);
    EXPECT_EQ(shared.out, "");
    EXPECT_TRUE(is_one_line_of_main(shared.err));
    EXPECT_TRUE(says(shared.err, "--allreduce shared"));
}

TEST(Gpuhost, GemmAutoIsBf16x3WhereTheGpuHasItAndSlicesAreLargeEnough) {
    const std::string flags = tiny_set() + " -n 9 -e 1 --device cuda";
    const char* const plain = is_float() ? " (gemm fp32)\n" : " (gemm fp64)\n";
    const char* const best = is_float() ? " (gemm bf16x3)\n" : plain;
    const struct {
        const char *flags, *capability, *told;
    } cases[] = {{" -b 32", "80", best},
                 {" -b 31", "80", plain},
                 {" -b 32", "75", plain},
                 {" -b 32 --gemm fp32", "80", plain}};
    for (const auto& c : cases) {
        const Result told =
            run_gpuhost(1, flags + c.flags, std::string("GPUHOST_CAPABILITY=") + c.capability);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(lines_with("# rank 0 ", told.out).at(0) + "\n", c.told)) << c.flags;
    }
}

TEST(Gpuhost, Bf16x3WhereTheGpuHasItNotIsRefused) {
    const std::string flags = tiny_set() + " -n 9 -e 1 --device cuda --gemm bf16x3";
    const Result old = run_gpuhost(2, flags, "GPUHOST_CAPABILITY=75");
    EXPECT_EQ(old.code, 2);
    EXPECT_EQ(old.out, "");
    EXPECT_TRUE(is_one_line_of_main(old.err));
    EXPECT_TRUE(says(old.err, "--gemm bf16x3"));
    EXPECT_TRUE(says(old.err, is_float() ? "compute capability 8.0" : "double"));
    if (is_float()) {
        const Result asked = run_gpuhost(2, flags + " -b 20 -s", "GPUHOST_CAPABILITY=90");
        EXPECT_TRUE(check_passed(asked));
        EXPECT_TRUE(says(asked.out, "(gemm bf16x3)"));
    }
}

TEST(Gpuhost, BothWaysToScatterLearnTheSame) {
    const std::string flags = tiny_set() + " -n 9 -b 30 -e 2 --scatter ";
    EXPECT_EQ(learned(run_gpuhost(3, flags + "every-step")),
              learned(run_gpuhost(3, flags + "once")));
}

TEST(Gpuhost, ASetThatDoesNotFitIsScatteredEveryStep) {
    // The 2000 images take 1.6 MB, and as much again in the order of an epoch.
    const std::string flags = first_images(2000, 20) + " -n 4 -b 250 -e 1 --scatter once";
    const Result narrow = run_gpuhost(2, flags, "GPUHOST_MEMORY=2000000");
    const Result wide = run_gpuhost(2, flags);
    EXPECT_EQ(learned(narrow), learned(wide));
    EXPECT_TRUE(says(wide.out, "scattered once"));
    EXPECT_TRUE(says(narrow.out, "every step")) << "a run that does not do as it was asked says so";
}

TEST(Gpuhost, TooLittleDeviceMemoryEndsEveryRank) {
    const Result result = run_gpuhost(2, tiny_set() + " -n 9 -e 1", "GPUHOST_MEMORY=100000");
    EXPECT_EQ(result.code, 3);
    EXPECT_EQ(result.out, "");
    const std::vector<std::string> lines = lines_of(result.err);
    ASSERT_FALSE(lines.empty());
    for (const std::string& line : lines) {  // one from each rank that came so far
        EXPECT_TRUE(line.starts_with("main: rank ")) << line;
        for (const char* part : {"cudaMalloc", "out of memory", "-b"})
            EXPECT_TRUE(says(line, part));
    }
}

}  // namespace
