// test_rules.cpp: the table of flags that do not go together: it refuses, and the help prints it.
#include "app/cli/rules.h"

#include <gtest/gtest.h>

#include <map>

#include "app/commands/commands.h"
#include "base/error.h"
#include "tests/support/words.h"

namespace {

void expect_refused(const std::string& words, const std::string& message) {
    try {
        parse_command(split_words(words), true);
        ADD_FAILURE() << "not refused: ./main " << words;
    } catch (const InputError& error) {
        EXPECT_EQ(error.what(), message + "; see ./main --help");
    }
}
void expect_taken(const std::string& words) {
    EXPECT_NO_THROW(parse_command(split_words(words), true)) << "./main " << words;
}

TEST(Rules, OfEachKindHaveTheirOwnWords) {
    expect_refused("--csv-data t.csv --raw-pixels",
                   "--csv-data and --raw-pixels: give one of them");
    expect_refused("--keep-best", "--keep-best: expected --save FILE beside it");
    expect_refused("--beta2 0.5", "--beta2 is for --optimizer adam and adamw; leave it out");
    expect_refused("--load f --init xavier",
                   "--init and --load: the file has this setting; leave one of the two out");
}

// ---- the table as a whole -----------------------------------------------------------------------

/// What a user writes for a setting of the table that is more than a flag without a value.
std::string written(const std::string& setting) {
    static const std::map<std::string, std::string> words = {
        {"--csv-data", "--csv-data t.csv"},
        {"--csv-data FILE", "--csv-data t.csv"},
        {"--data", "--data folder"},
        {"--html", "--html h.html"},
        {"--target", "--target label"},
        {"--target-columns", "--target-columns 1"},
        {"--scale", "--scale minmax"},
        {"--feed", "--feed resident"},
        {"--scatter", "--scatter once"},
        {"--hidden", "--hidden 9"},
        {"--activation", "--activation tanh"},
        {"--output", "--output sigmoid"},
        {"--init", "--init xavier"},
        {"--init-scale", "--init-scale 0.5"},
        {"--load", "--load f"},
        {"--momentum", "--momentum 0.5"},
        {"--optimizer momentum and nesterov", "--optimizer nesterov"},
        {"--beta1", "--beta1 0.5"},
        {"--beta2", "--beta2 0.5"},
        {"--epsilon", "--epsilon 0.5"},
        {"--optimizer adam and adamw", "--optimizer adamw"},
        {"--decay-every", "--decay-every 2"},
        {"--lr-decay", "--lr-decay 0.5"},
        {"--schedule decay and step", "--schedule step"},
        {"--checkpoint", "--checkpoint c"},
        {"--checkpoint DIR", "--checkpoint c"},
        {"--checkpoint-every", "--checkpoint-every 2"},
        {"--save FILE", "--save f"},
        {"--allreduce", "--allreduce mpi"},
        {"--allreduce nccl", "--allreduce nccl"},
        {"--allreduce other than shared", "--allreduce hierarchical"},
        {"--bucket-size", "--bucket-size 4096"},
        {"--compress", "--compress sign"},
        {"--accumulate", "--accumulate 2"},
        {"--accumulate beside a -b that is no multiple of 8", "--accumulate 2 -b 12"},
        {"--loss-scale", "--loss-scale dynamic"},
        {"--sync local:H", "--sync local:2"},
        {"--sync async", "--sync async:3"},
        {"--feed scattered", "--feed scattered"},
        {"--sync local:H or async beside an --optimizer other than sgd",
         "--sync async --optimizer adam"},
        {"--outer-momentum", "--outer-momentum 0.5"},
        {"--outer-rate", "--outer-rate 0.5"},
        {"--precision other than fp32", "--precision bf16"},
        {"--precision fp16 with a loss scale", "--precision fp16"},
        {"the build in double", ""}};
    const auto found = words.find(setting);
    return found == words.end() ? setting : found->second;
}
/// What a user writes where none of a rule's others may hold, and one does without a flag.
std::string without(const FlagRule& rule) {
    static const std::map<std::string, std::string> words = {
        {"--init normal", " --init xavier"}, {"--schedule decay and step", " --schedule constant"}};
    const auto found = words.find(rule.others.front().text);
    return found == words.end() ? "" : found->second;
}

TEST(Rules, EachRefusesEachOfItsPairsInItsOwnWords) {
    for (const FlagRule& rule : flag_rules())
        for (const Setting& one : rule.settings) {
            const std::string name = one.text, alone = written(name);
            if (rule.kind == FlagRule::Kind::needs)
                expect_refused(alone, name + ": expected " + rule.others[0].text + " beside it");
            if (rule.kind == FlagRule::Kind::is_for)
                expect_refused(alone + without(rule),
                               name + " is for " + rule.others[0].text + "; leave it out");
            for (const Setting& other : rule.others) {
                const std::string both = alone + " " + written(other.text);
                if (rule.kind == FlagRule::Kind::excludes)
                    expect_refused(both, name + " and " + other.text + ": " + rule.why);
                else
                    expect_taken(both);
            }
        }
}

// ---- what the sums allow ------------------------------------------------------------------------

TEST(Rules, RefuseReproducibleWhereSumsHaveAnotherOrder) {
    expect_refused("--reproducible --device cuda",
                   "--reproducible and --device cuda: a GPU adds in an order of its own; use "
                   "--device cpu");
    expect_refused("--reproducible --gemm bf16x3",
                   "--reproducible and --gemm bf16x3: the tiles add in an order of their own; use "
                   "--gemm fp32");
    for (const std::string gemm : {"--gemm int8", "--gemm persistent"})
        expect_refused("--reproducible " + gemm,
                       "--reproducible and " + gemm +
                           ": it is for GPUs, which add in an order of their own; use --gemm fp32");
    for (const char* kind : {"mpi", "hierarchical"})
        expect_refused(std::string("--reproducible --allreduce ") + kind,
                       "--reproducible and --allreduce other than shared: it adds the replicas' "
                       "sums itself; leave --allreduce out");
    expect_refused(
        "--reproducible --accumulate 2 -b 12",
        "--reproducible and --accumulate beside a -b that is no multiple of 8: 8 samples are "
        "added together, and a slice would cut them; use a multiple of 8");
    expect_taken("--reproducible --accumulate 2 -b 16 --device cpu --allreduce shared");
    expect_taken("--reproducible -b 12");
}

TEST(Rules, RefuseNcclWhereTheGradientIsNotInAGpusMemory) {
    const std::string in_host_memory =
        ": NCCL sums in the memory of GPUs, and with the other one the gradient is in host "
        "memory; leave one of the two out";
    expect_refused("--allreduce nccl --device cpu",
                   "--allreduce nccl and --device cpu" + in_host_memory);
    expect_refused("--allreduce nccl --accumulate 2",
                   "--allreduce nccl and --accumulate" + in_host_memory);
    expect_refused(
        "--allreduce nccl --cuda-aware",
        "--allreduce nccl and --cuda-aware: NCCL sums, and not MPI; leave one of the two "
        "out");
    expect_taken("--allreduce nccl --device cuda -s");
    if (sizeof(nn_real) == sizeof(float))
        expect_taken("--allreduce nccl --precision fp16 --loss-scale 1");
}

TEST(Rules, RefuseAGpusFastKernelsWhereTheyAreNot) {
    const std::string of_a_gpu = ": it is for a GPU's fast kernels; leave one of the two out",
                      for_one = ": it is for one rank; leave one of the two out";
    for (const std::string gemm : {"--gemm persistent", "--gemm int8"}) {
        expect_refused(gemm + " --device cpu", gemm + " and --device cpu" + of_a_gpu);
        expect_refused(gemm + " --course", gemm + " and --course" + of_a_gpu);
    }
    expect_refused("--gemm persistent --sync local:2",
                   "--gemm persistent and --sync local:H" + for_one);
    expect_refused("--gemm persistent --sync async",
                   "--gemm persistent and --sync async" + for_one);
    expect_taken("--gemm persistent --device cuda --sync every-step");
    expect_taken("--gemm persistent --csv-data t.csv");  // then the banner says why not
}

TEST(Rules, RefuseWhatLocalDescentHasNoMeaningFor) {
    const struct {
        const char *flag, *why;
    } cases[] = {
        {"--reproducible", "the mean depends on the number of ranks; leave one of the two out"},
        {"--allreduce",
         "no gradient is summed, and each rank has a copy; leave one of the two out"},
        {"--cuda-aware",
         "no gradient is summed, and each rank has a copy; leave one of the two out"},
        {"--accumulate",
         "a rank makes an update of its own for every mini-batch; leave one of the two out"},
        {"--compare",
         "the reference takes the steps of all ranks together; leave one of the two out"}};
    for (const auto& c : cases) {
        const std::string flag = c.flag;
        const std::string value = flag == "--allreduce"    ? " mpi"
                                  : flag == "--accumulate" ? " 2"
                                                           : "";
        expect_refused("--sync local:4 " + flag + value,
                       "--sync local:H and " + flag + ": " + c.why);
        expect_taken("--sync every-step " + flag + value);
    }
    expect_taken("--sync local:4 --allreduce auto");
    expect_refused("--outer-rate 0.5", "--outer-rate is for --sync local:H; leave it out");
    expect_refused("--checkpoint c --sync local:4 --optimizer adam",
                   "--checkpoint and --sync local:H or async beside an --optimizer other than sgd: "
                   "a checkpoint "
                   "does not hold the moments of each rank; leave one of the two out");
    expect_taken("--checkpoint c --sync local:4 --outer-momentum 0.9");
    expect_taken("--checkpoint c --optimizer adam");
}

TEST(Rules, SyncIsEveryStepOrSomeStepsAlone) {
    EXPECT_EQ(parse_train(split_words("--sync local:8"), false).value().local_steps, 8);
    EXPECT_EQ(parse_train(split_words("--sync every-step"), false).value().local_steps, 0);
    for (const char* wrong :
         {"local", "local:", "local:0", "local:-1", "local:1.5", "local:8x", "local:1000001",
          "async:", "async:-1", "async:x", "asynchronous", "''"})
        EXPECT_THROW(parse_train(split_words(std::string("--sync ") + wrong), false), InputError)
            << wrong;
}

TEST(Rules, SyncMayBeAsynchronousWithABoundOrWithout) {
    const auto asked = [](const char* words) {
        return parse_train(split_words(std::string("--sync ") + words), false).value().async;
    };
    EXPECT_FALSE(asked("every-step").has_value());
    EXPECT_FALSE(asked("local:8").has_value());
    EXPECT_EQ(asked("async").value().bound, Ledger::unbounded);
    EXPECT_EQ(asked("async:0").value().bound, 0);
    EXPECT_EQ(asked("async:7").value().bound, 7);
}

TEST(Rules, AreAllInTheHelp) {
    testing::internal::CaptureStdout();
    EXPECT_FALSE(parse_command({"--help"}, true));
    std::string help;
    for (const std::string& line : lines_of(testing::internal::GetCapturedStdout()))
        help += line.substr(std::min(line.find_first_not_of(' '), line.size())) + " ";
    EXPECT_TRUE(says(help, "REFUSED TOGETHER"));
    for (const FlagRule& rule : flag_rules()) EXPECT_TRUE(says(help, "* " + rule.text() + " "));
}

}  // namespace
