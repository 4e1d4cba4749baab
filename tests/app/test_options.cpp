// test_options.cpp: the command line, in the process: what it becomes, its help, and every mistake
// that it refuses.
//
// A refusal is an InputError of one line that names the flag. That such an error ends every rank
// with exit code 2 and one line on standard error, test_cli_refusals.cpp shows once.
#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <sstream>

#include "app/cli/flags.h"
#include "app/commands/commands.h"
#include "base/error.h"
#include "tests/support/words.h"

namespace {

/// What the command prints when it is only asked for help.
std::string text_of(const std::string& words) {
    testing::internal::CaptureStdout();
    const std::optional<Job> job = parse_command(split_words(words), true);
    EXPECT_FALSE(job) << words;
    return testing::internal::GetCapturedStdout();
}

void expect_refused(const std::string& words, const std::string& named) {
    try {
        parse_command(split_words(words), true);
        ADD_FAILURE() << "not refused: ./main " << words;
    } catch (const InputError& error) {
        const std::string message = error.what();
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
        EXPECT_TRUE(says(message, named)) << "./main " << words;
        EXPECT_TRUE(says(message, "; see ./main")) << "./main " << words;
    }
}

TrainOptions train_options(const std::string& words) {
    return parse_train(split_words(words), false).value();
}

// ---- help ---------------------------------------------------------------------------------------

/// What a manual's page says of one flag: its line and the text under it, in one line.
std::string entry_of(const std::string& line, const std::string& help) {
    std::string entry;
    for (const std::string& next : lines_of(help)) {
        if (next == line) {
            entry = next;
        } else if (!entry.empty()) {
            if (!next.starts_with("            ")) break;
            entry += " " + next.substr(12);
        }
    }
    return entry;
}

TEST(Help, NamesEveryFlagAndItsDefault) {
    const std::string help = text_of("--help");
    const struct {
        const char *flag, *preset;
    } flags[] = {
        {"-h, --help", ""},
        {"--version", ""},
        {"--separate-runs", ""},
        {"-n, --hidden SIZES", "200"},
        {"--activation sigmoid|tanh|relu", "sigmoid"},
        {"--output softmax|sigmoid", "softmax"},
        {"--init normal|uniform|xavier", "normal"},
        {"--init-scale X", "0.1; tanh: 0; relu: 0"},
        {"--load FILE", ""},
        {"-b, --batch N", "24"},
        {"--accumulate N", "1"},
        {"-e, --epochs N", "16"},
        {"-l, --learning-rate X",
         "1.2; tanh: 0.3; relu: 0.3; momentum, nesterov: times 1 - momentum; adam, adamw: 0.002"},
        {"--schedule decay|constant|step|cosine|onecycle", "decay"},
        {"--lr-decay X", "0.88"},
        {"--decay-every N", "1"},
        {"--warmup N", "0"},
        {"--optimizer sgd|momentum|nesterov|adam|adamw", "sgd"},
        {"--momentum X", "0.9"},
        {"--beta1 X", "0.9"},
        {"--beta2 X", "0.999"},
        {"--epsilon X", "1e-08"},
        {"-r, --reg X", "3e-05"},
        {"--loss cross-entropy|mse", "cross-entropy"},
        {"--shuffle", ""},
        {"--no-shuffle", ""},
        {"--seed N", "1"},
        {"--train-size N", "0"},
        {"--raw-pixels", ""},
        {"--csv-data FILE", ""},
        {"--target COLUMNS", ""},
        {"--scale none|minmax|standard", "none"},
        {"--target-columns N", "1"},
        {"--data DIR", "data"},
        {"--picture-folder DIR", ""},
        {"--as-is", ""},
        {"--set NAME", ""},
        {"--first-label N", "0"},
        {"--transposed", ""},
        {"--inverted", ""},
        {"-p, --print-every N", "0"},
        {"--csv FILE", ""},
        {"--jsonl FILE", ""},
        {"--plot FILE", ""},
        {"--save FILE", ""},
        {"--report FILE", ""},
        {"--html FILE", ""},
        {"--trace FILE", ""},
        {"--until X", "0"},
        {"--patience N", "0"},
        {"--keep-best", ""},
        {"--checkpoint DIR", ""},
        {"--checkpoint-every N", "1"},
        {"--resume", ""},
        {"-s, --compare", ""},
        {"-g, --grade N", ""},
        {"--device auto|cuda|cpu", "auto"},
        {"--threads N", "0"},
        {"--precision fp32|bf16|fp16", "fp32"},
        {"--loss-scale dynamic|N", "1"},
        {"--gemm auto|fp32|bf16x3|int8", "auto"},
        {"--inputs auto|sparse|dense", "auto"},
        {"--isa auto|baseline|avx2|avx512", "auto"},
        {"--allreduce auto|mpi|shared|hierarchical|ring|tree|overlap", "auto"},
        {"--bucket-size N", "524288"},
        {"--compress none|bf16|int8|topk:F|sign", "none"},
        {"--reproducible", ""},
        {"--sync every-step|local:H|async[:S]", "every-step"},
        {"--outer-momentum X", "0"},
        {"--outer-rate X", "1"},
        {"--feed resident|scattered", "resident"},
        {"--scatter once|every-step", "once"},
        {"--course", ""},
        {"--ranks-per-node N", "0"},
        {"--cuda-aware", ""}};
    for (const auto& flag : flags) {
        const std::string entry = entry_of("    " + std::string(flag.flag), help);
        ASSERT_FALSE(entry.empty()) << flag.flag << " in:\n" << help;
        const std::string preset = flag.preset;
        if (preset.empty())
            EXPECT_EQ(entry.find("(default: "), std::string::npos) << entry;
        else
            EXPECT_TRUE(says(entry, " (default: " + preset + ")"));
    }
    EXPECT_EQ(lines_with("    -", help).size(), std::size(flags))
        << "this test does not know every flag";
    EXPECT_EQ(text_of("-h"), help);
    EXPECT_EQ(text_of("train --help"), help);
}

TEST(Help, EveryCommandHasAManualsPageWithAnExample) {
    for (const char* command : {"", "predict ", "evaluate ", "inspect ", "demo ", "grade "}) {
        const std::string help = text_of(std::string(command) + "--help");
        for (const char* heading : {"NAME\n", "\nSYNOPSIS\n", "\nDESCRIPTION\n", "\nOPTIONS\n",
                                    "\nEXIT STATUS\n", "\nEXAMPLES\n    "})
            EXPECT_TRUE(says(help, heading)) << command;
        EXPECT_TRUE(says(help, "./main " + std::string(command)));
        for (const std::string& line : lines_of(help)) EXPECT_LE(line.size(), 96u) << line;
    }
}

// ---- what flags become
// ---------------------------------------------------------------------------

TEST(Options, ShortAndLongNamesMeanTheSame) {
    const TrainOptions brief = train_options("-n 12,5 -b 40 -e 3 -l 0.5 -r 0.001 -p 7 -s");
    EXPECT_EQ(brief.hidden, (std::vector<int>{12, 5}));
    EXPECT_EQ(brief.training.batch, 40);
    EXPECT_EQ(brief.training.epochs, 3);
    EXPECT_EQ(brief.training.rate, 0.5);
    EXPECT_EQ(brief.training.reg, 0.001);
    EXPECT_EQ(brief.print_every, 7);
    EXPECT_TRUE(brief.compare);
    TrainOptions full = train_options(
        "--hidden 12,5 --batch 40 --epochs 3 --learning-rate 0.5 --reg 0.001 --print-every 7 "
        "--compare");
    TrainOptions copy = brief;
    const std::vector<TrainFlag> ours = train_flags(copy), theirs = train_flags(full);
    for (std::size_t i = 0; i < ours.size(); ++i)
        EXPECT_EQ(ours[i].value.tell().dump(), theirs[i].value.tell().dump()) << ours[i].names;
}

TEST(Options, EveryNameOfAnEnumIsTaken) {
    EXPECT_EQ(train_options("--device cuda").device.device, DeviceKind::cuda);
    EXPECT_EQ(train_options("--gemm fp32").device.gemm, GemmKind::fp32);
    EXPECT_EQ(train_options("--allreduce shared").device.allreduce, AllreduceKind::shared);
    EXPECT_EQ(train_options("--isa avx2").device.isa, CpuIsa::avx2);
    EXPECT_EQ(train_options("--activation tanh").activation, Activation(Tanh{}));
    EXPECT_EQ(train_options("--activation relu").activation, Activation(Relu{}));
    EXPECT_EQ(train_options("--output sigmoid").objective.output, OutputLayer::sigmoid);
    EXPECT_EQ(train_options("--loss mse").objective.loss, LossFunction::mse);
    EXPECT_EQ(train_options("--init xavier").init, Init::xavier);
    EXPECT_EQ(train_options("--feed scattered").feed, FeedKind::scattered);
}

TEST(Options, RateAndDeviationFollowTheActivationWhereNoFlagSetsThem) {
    const struct {
        const char* flags;
        double rate, deviation;
    } cases[] = {{"", 1.2, 0.1},
                 {"--activation sigmoid", 1.2, 0.1},
                 {"--activation tanh", 0.3, 0},
                 {"--activation relu", 0.3, 0},
                 {"--activation relu -l 1.2", 1.2, 0},
                 {"--init-scale 0.1 --activation relu", 0.3, 0.1},
                 {"-l 0 --init-scale 0", 0, 0}};
    for (const auto& c : cases) {
        const TrainOptions o = train_options(c.flags);
        EXPECT_EQ(o.training.rate, c.rate) << c.flags;
        EXPECT_EQ(o.init_scale, c.deviation) << c.flags;
    }
}

TEST(Options, ScatterIsTheOldNameOfFeed) {
    EXPECT_EQ(train_options("--scatter once").feed, FeedKind::resident);
    EXPECT_EQ(train_options("--scatter every-step").feed, FeedKind::scattered);
    EXPECT_EQ(train_options("").feed, FeedKind::resident);
}

TEST(Options, CourseIsFourFlagsAndPlainKernels) {
    const TrainOptions o = train_options("--course");
    EXPECT_EQ(o.feed, FeedKind::scattered);
    EXPECT_EQ(o.device.allreduce, AllreduceKind::mpi);
    EXPECT_EQ(o.device.threads, 1);
    EXPECT_TRUE(o.device.course);
    EXPECT_FALSE(o.training.shuffled);
}

TEST(Options, GradeIsACommandAndItsFlagAnAlias) {
    for (const int mode : {1, 2, 3}) {
        const std::string n = std::to_string(mode);
        const TrainOptions as_flag = train_options("-g " + n + " --threads 2");
        const TrainOptions as_command = parse_grade({n, "--threads", "2"}, false).value();
        for (const TrainOptions& o : {as_flag, as_command}) {
            EXPECT_EQ(o.grade, mode);
            EXPECT_EQ(o.training.batch, 800);
            EXPECT_FALSE(o.training.shuffled);
            EXPECT_EQ(o.feed, FeedKind::scattered);
            EXPECT_EQ(o.device.allreduce, AllreduceKind::mpi);
            EXPECT_EQ(o.device.threads, 2);
            EXPECT_TRUE(o.compare);
        }
        EXPECT_EQ(as_flag.training.epochs, as_command.training.epochs);
    }
    EXPECT_EQ(parse_grade({"4"}, false).value().grade, 4);
}

/// What a resumed run must find again. A row that is moved from here to elsewhere is a decision.
TEST(Options, ResumeComparesTheFlagsThatDecideTheParameters) {
    const auto keys = [](OnResume on_resume) {
        std::string text;
        const Json values = flag_values(TrainOptions{}, on_resume);
        for (const auto& [name, value] : values.members()) text += name + " ";
        return text;
    };
    EXPECT_EQ(keys(OnResume::same),
              "activation output batch accumulate reg loss shuffle seed learning-rate schedule "
              "lr-decay decay-every "
              "warmup optimizer momentum beta1 beta2 epsilon raw-pixels compress precision "
              "loss-scale sync "
              "outer-momentum outer-rate ");
    EXPECT_EQ(keys(OnResume::content),
              "hidden init init-scale load data picture-folder as-is set first-label transposed "
              "inverted train-size csv-data target scale target-columns ");
    EXPECT_EQ(keys(OnResume::rounding),
              "device gemm isa bucket-size reproducible course cuda-aware ");
}

// ---- refusals -----------------------------------------------------------------------------------

TEST(OptionsRefuse, TextThatIsNoWholeNumberInRange) {
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
            expect_refused(std::string(flag.flag) + " " + text, flag.name);
    }
}

TEST(OptionsRefuse, TextThatIsNoNumberInRange) {
    const struct {
        const char *flag, *name;
    } flags[] = {{"-l", "--learning-rate"},
                 {"--lr-decay", "--lr-decay"},
                 {"-r", "--reg"},
                 {"--init-scale", "--init-scale"}};
    for (const auto& flag : flags)
        for (const char* text : {"x", "1.5x", "0x1p2", "1,5", "nan", "-nan", "inf", "-inf", "-0.5",
                                 "1e39", "1e999", "''"})
            expect_refused(std::string(flag.flag) + " " + text, flag.name);
}

TEST(OptionsRefuse, HiddenSizesThatAreNoListOfSizes) {
    for (const char* text : {"''", "x", "1,,2", "1,", ",1", "'1 2'", "'1;2'", "0", "8,0", "-1",
                             "0x10", "010", "2.5", "1e3", "nan", "1048577", "99999999999999999999"})
        expect_refused(std::string("-n ") + text, "--hidden");
}

TEST(OptionsRefuse, FlagsThatAreUnknownOrGivenWrongly) {
    const struct {
        const char *flags, *named;
    } cases[] = {{"--bogus", "--bogus"},
                 {"-z", "-z"},
                 {"--batches 3", "--batches"},
                 {"extra", "extra"},
                 {"''", "argument"},
                 {"-b 8 9", "9"},
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
                 {"--compress topk:0", "F above 0 and at most 1"},
                 {"--compress topk:1.5", "--compress"},
                 {"--compress int4", "none|bf16|int8|topk:F|sign"},
                 {"--compress int8 --allreduce ring", "--allreduce"},
                 {"--compress int8 -s", "--compare"},
                 {"--course --compress int8", "--course fixes --compress"},
                 {"--shuffle --no-shuffle", "--shuffle"},
                 {"--isa sse", "--isa"},
                 {"--feed once", "--feed"},
                 {"--feed resident --scatter once", "--scatter"},
                 {"--course --threads 2", "--course fixes --threads"},
                 {"--course --feed scattered", "--course fixes --feed"},
                 {"--course --scatter once", "--course fixes --scatter"},
                 {"--course --allreduce mpi", "--course fixes --allreduce"},
                 {"--course --reproducible", "--course fixes --reproducible"},
                 {"--course --sync local:2", "--course fixes --sync"},
                 {"--course --shuffle", "--course fixes --shuffle"},
                 {"--course --no-shuffle", "--course fixes --no-shuffle"},
                 {"--csv ''", "--csv"},
                 {"--compare=3", "--compare"},
                 {"--raw-pixels=2", "--raw-pixels"},
                 {"--no-shuffle=7", "--no-shuffle"},
                 {"--version=3", "--version"},
                 {"--output tanh", "--output"},
                 {"--loss mae", "--loss"},
                 {"--init zeros", "--init"},
                 {"--init xavier --init-scale 1", "--init-scale"},
                 {"--init uniform --seed 4294967296", "--seed"},
                 {"--resume", "--checkpoint"},
                 {"--checkpoint-every 2", "--checkpoint"},
                 {"--checkpoint ''", "--checkpoint"},
                 {"--save ''", "--save"},
                 {"--load ''", "--load"},
                 {"--jsonl ''", "--jsonl"},
                 {"--plot ''", "--plot"},
                 {"--report ''", "--report"},
                 {"--target-columns 2", "--csv-data"},
                 {"--target label", "--csv-data"},
                 {"--target ''", "--target"},
                 {"--scale minmax", "--csv-data"},
                 {"--csv-data t.csv --scale big", "--scale"},
                 {"--csv-data t.csv --target x --target-columns 1", "--target-columns"},
                 {"--csv-data table.csv --data data", "--data"},
                 {"--picture-folder p --data data", "--data"},
                 {"--picture-folder p --csv-data t.csv --target x", "--csv-data"},
                 {"--picture-folder p --inverted", "--inverted"},
                 {"--as-is", "--picture-folder"},
                 {"--csv-data t.csv --set emnist-letters", "--set"},
                 {"--csv-data t.csv --first-label 1", "--first-label"},
                 {"--csv-data t.csv --transposed", "--transposed"},
                 {"--first-label 256", "255"},
                 {"--load file -n 8", "--hidden"},
                 {"--load file --activation sigmoid", "--activation"},
                 {"--activation softplus", "sigmoid|tanh|relu"}};
    for (const auto& c : cases) expect_refused(c.flags, c.named);
}

TEST(OptionsRefuse, AFlagGivenTwiceByAllItsNames) {
    for (const char* words : {"-n 16 -n 32", "--hidden 16 --hidden 32", "-n 16 --hidden 32"})
        expect_refused(words, "-n, --hidden: given twice; give it once");
    expect_refused("--seed 1 --seed 1", "--seed: given twice; give it once");
    expect_refused("-s --compare", "-s, --compare: given twice; give it once");
    expect_refused("predict --load a --load b c.png", "--load: given twice; give it once");
    expect_refused("-s=3", "'=3' behind a flag of one letter; write -b 24 or --batch=24");
    expect_refused("-b", "-b, --batch: expected a value behind it");
}

TEST(OptionsRefuse, WhatAGradingModeFixesBesideIt) {
    for (const char* fixed : {"-n 8",
                              "-b 8",
                              "-e 1",
                              "-l 1",
                              "--lr-decay 1",
                              "-r 0",
                              "--init-scale 1",
                              "--train-size 5",
                              "--shuffle",
                              "--no-shuffle",
                              "--raw-pixels",
                              "--loss mse",
                              "--activation tanh",
                              "--output sigmoid",
                              "--init xavier",
                              "--csv-data x",
                              "--target x",
                              "--scale minmax",
                              "--load x",
                              "--feed resident",
                              "--scatter once",
                              "--allreduce mpi",
                              "--compress sign",
                              "--reproducible",
                              "--sync local:2"})
        expect_refused(std::string("-g 3 ") + fixed, "--grade");
}

TEST(OptionsRefuse, BadUseOfEveryCommand) {
    const struct {
        const char *words, *named;
    } cases[] = {{"predict", "--load"},
                 {"predict x.png", "--load"},
                 {"predict --load x", "IMAGES"},
                 {"predict --load x --show --json y", "--show"},
                 {"predict --load x y --bogus", "--bogus"},
                 {"predict --load x y --csv-data z", "--csv-data"},
                 {"predict --load x --csv-data z --show", "--show"},
                 {"predict --load x y --out z --json", "--json"},
                 {"predict --load x y --out z --digits", "--digits"},
                 {"predict --load x y --as-is --digits", "--digits"},
                 {"predict --load x y --as-is --explain z", "--explain"},
                 {"predict --load x --csv-data z --explain y", "--explain"},
                 {"predict --load x y --submission A,B", "--out"},
                 {"predict --load x y --out z --submission A", "--submission"},
                 {"predict --load x y --out z --submission A,", "--submission"},
                 {"predict --load x y --out z --submission ,B", "--submission"},
                 {"predict --load x y --out z --submission A,B,C", "--submission"},
                 {"evaluate --load x --csv-data y --data z", "--csv-data"},
                 {"evaluate --load x --target label", "--csv-data"},
                 {"predict --load x y --target label", "--csv-data"},
                 {"predict --load '' y", "--load"},
                 {"evaluate", "--load"},
                 {"evaluate --load x extra", "extra"},
                 {"evaluate --load x --data ''", "--data"},
                 {"inspect", "FILES"},
                 {"demo", "NAME"},
                 {"demo and", "and"},
                 {"demo xor --epochs 3", "--epochs"},
                 {"grade", "MODE"},
                 {"grade 5", "MODE"},
                 {"grade 3 -b 8", "-b"},
                 {"grade 3 --feed resident", "--feed"},
                 {"grade 4 --device cpu", "--device"},
                 {"-g 4 --device cpu", "--device"},
                 {"--csv-data t.csv --gemm bf16x3", "--gemm"},
                 {"--csv-data t.csv --gemm int8", "--gemm"},
                 {"--csv log --jsonl ./log", "--csv and --jsonl both name log"},
                 {"--plot c.svg --report c.svg", "--plot and --report both name c.svg"},
                 {"demo xor --csv x.svg --plot x.svg", "--csv and --plot both name x.svg"},
                 {"retrain", "'retrain': no such command; the commands are train, predict, "}};
    for (const auto& c : cases) expect_refused(c.words, c.named);
}

}  // namespace
