// test_run_log.cpp: what the logs hold, and what of them a resumed run keeps.
#include "app/run/run_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/support/full_disk.h"
#include "tests/support/scratch_files.h"

namespace {

using Format = RunLog::Format;

const std::string csv_header = "epoch,step,loss,accuracy,images_per_second,seconds\n";

/// Two epochs of four steps, every second step told.
void write_two_epochs(RunLog& log) {
    for (int epoch = 1; epoch <= 2; ++epoch) {
        for (int step : {2, 4}) log.write_step(epoch, step, 1.0 / (epoch + step));
        log.write_epoch({epoch, 0.5 / epoch, 0.9818, 89009.4, 1.25 * epoch}, 4);
    }
}

const std::string two_epochs_csv = csv_header +
                                   "1,2,0.3333333333333333,,,\n"
                                   "1,4,0.2,,,\n"
                                   "1,4,0.5,0.9818,89009,1.250\n"
                                   "2,2,0.25,,,\n"
                                   "2,4,0.16666666666666666,,,\n"
                                   "2,4,0.25,0.9818,89009,2.500\n";
const std::string two_epochs_jsonl =
    "{\"epoch\":1,\"step\":2,\"loss\":0.3333333333333333}\n"
    "{\"epoch\":1,\"step\":4,\"loss\":0.2}\n"
    "{\"epoch\":1,\"step\":4,\"loss\":0.5,\"accuracy\":0.9818,\"images_per_second\":89009,"
    "\"seconds\":1.250}\n"
    "{\"epoch\":2,\"step\":2,\"loss\":0.25}\n"
    "{\"epoch\":2,\"step\":4,\"loss\":0.16666666666666666}\n"
    "{\"epoch\":2,\"step\":4,\"loss\":0.25,\"accuracy\":0.9818,\"images_per_second\":89009,"
    "\"seconds\":2.500}\n";

std::string two_epochs(Format format) {
    return format == Format::csv ? two_epochs_csv : two_epochs_jsonl;
}

/// The first `count` lines.
std::string lines(const std::string& text, int count) {
    std::size_t end = 0;
    for (int i = 0; i < count; ++i) end = text.find('\n', end) + 1;
    return text.substr(0, end);
}

/// What a run that goes on from `from` leaves of `text`.
std::string kept(const std::string& text, Format format, TrainingState from) {
    const ScratchFiles files;
    const RunLog log(files.write("log", text), format, from);
    return files.read("log");
}

/// What InputError says; a failure if there is none.
std::string refusal(const std::string& name, Format format, TrainingState from) {
    try {
        const RunLog log(name, format, from);
    } catch (const InputError& error) {
        return error.what();
    }
    ADD_FAILURE() << name << " was taken for a log";
    return "";
}

TEST(RunLog, HasALineForEachStepAndEpoch) {
    for (const Format format : {Format::csv, Format::jsonl}) {
        const ScratchFiles files;
        RunLog log(files.path("log"), format, {});
        write_two_epochs(log);
        EXPECT_EQ(files.read("log"), two_epochs(format)) << "while it is still open";
    }
}

TEST(RunLog, ALossIsReadBackToTheBit) {
    const ScratchFiles files;
    RunLog log(files.path("log"), Format::csv, {});
    for (const double loss : {0.1 + 0.2, 1.0 / 3, 5e-324, 1.7976931348623157e308}) {
        log.write_step(1, 1, loss);
        const std::string text = files.read("log");
        const std::size_t line = text.rfind('\n', text.size() - 2) + 1;
        EXPECT_EQ(std::strtod(text.c_str() + line + 4, nullptr), loss) << text.substr(line);
    }
}

TEST(RunLog, WhatIsNoNumberIsNullInJsonAndNamedInCsv) {
    const ScratchFiles files;
    RunLog csv(files.path("csv"), Format::csv, {}), jsonl(files.path("jsonl"), Format::jsonl, {});
    for (RunLog* log : {&csv, &jsonl}) {
        log->write_step(1, 1, std::numeric_limits<double>::infinity());
        log->write_epoch({1, 2, std::numeric_limits<double>::quiet_NaN(), 3, 4}, 1);
    }
    EXPECT_EQ(files.read("csv"), csv_header + "1,1,inf,,,\n1,1,2,,3,4.000\n");
    EXPECT_EQ(files.read("jsonl"),
              "{\"epoch\":1,\"step\":1,\"loss\":null}\n"
              "{\"epoch\":1,\"step\":1,\"loss\":2,\"images_per_second\":3,\"seconds\":4.000}\n");
}

TEST(RunLog, AResumedRunKeepsTheLinesUpToItsCheckpoint) {
    for (const Format format : {Format::csv, Format::jsonl}) {
        const std::string whole = two_epochs(format);
        const int header = format == Format::csv ? 1 : 0;
        // Lines: steps 1:2, 1:4, epoch 1, steps 2:2, 2:4, epoch 2.
        EXPECT_EQ(kept(whole, format, {0, 1, 0}), lines(whole, header));
        EXPECT_EQ(kept(whole, format, {0, 2, 0}), lines(whole, header + 1));
        EXPECT_EQ(kept(whole, format, {0, 3, 0}), lines(whole, header + 1));
        EXPECT_EQ(kept(whole, format, {1, 0, 0}), lines(whole, header + 3));
        EXPECT_EQ(kept(whole, format, {1, 2, 0}), lines(whole, header + 4));
        EXPECT_EQ(kept(whole, format, {2, 0, 0}), whole);
        EXPECT_EQ(kept(whole, format, {7, 0, 0}), whole);
    }
}

TEST(RunLog, WhatAResumedRunWritesStandsBehindWhatItKept) {
    for (const Format format : {Format::csv, Format::jsonl}) {
        const ScratchFiles files;
        const std::string name = files.write("log", two_epochs(format));
        RunLog log(name, format, {1, 0, 0});
        log.write_step(2, 2, 0.25);
        log.write_step(2, 4, 1.0 / 6);
        log.write_epoch({2, 0.25, 0.9818, 89009, 2.5}, 4);
        EXPECT_EQ(files.read("log"), two_epochs(format));
    }
}

TEST(RunLog, ATornLastLineIsCutOffWhereverItWasTorn) {
    for (const Format format : {Format::csv, Format::jsonl}) {
        const std::string whole = two_epochs(format);
        for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
            const std::string torn = whole.substr(0, bytes);
            std::string expected = torn.substr(0, torn.rfind('\n') + 1);
            if (format == Format::csv && expected.empty()) expected = csv_header;
            EXPECT_EQ(kept(torn, format, {9, 0, 0}), expected) << bytes << " bytes";
        }
    }
}

TEST(RunLog, AFirstRunWritesAnew) {
    EXPECT_EQ(kept(two_epochs_csv, Format::csv, {}), csv_header);
    EXPECT_EQ(kept("anything\n", Format::jsonl, {}), "");
}

TEST(RunLog, AResumedRunWithoutALogBeginsOne) {
    const ScratchFiles files;
    const RunLog log(files.path("log"), Format::csv, {1, 0, 0});
    EXPECT_EQ(files.read("log"), csv_header);
}

TEST(RunLog, AResumedRunLeavesAForeignFileAsItIs) {
    const ScratchFiles files;
    for (const std::string& text : {std::string("a letter\n"), csv_header + "a letter\n",
                                    std::string("epoch,loss\n1,0.5\n")}) {
        const std::string name = files.write("log", text);
        EXPECT_NE(refusal(name, Format::csv, {1, 0, 0}).find("--csv " + name), std::string::npos);
        EXPECT_NE(refusal(name, Format::jsonl, {1, 0, 0}).find("--jsonl"), std::string::npos);
        EXPECT_EQ(files.read("log"), text);
    }
}

TEST(RunLog, AFileThatCannotBeWrittenIsRefusedByName) {
    EXPECT_NE(refusal("nowhere/log", Format::jsonl, {}).find("--jsonl nowhere/log"),
              std::string::npos);
    EXPECT_NE(refusal("/", Format::csv, {1, 0, 0}).find("--csv /"), std::string::npos);
}

TEST(RunLog, AFullDiskIsAFailure) {
    EXPECT_THROW(RunLog("/dev/full", Format::csv, {}), Failure);
    RunLog log("/dev/full", Format::jsonl, {});
    EXPECT_THROW(log.write_step(1, 1, 0.5), Failure);
}

TEST(RunLog, OnADiskThatFillsUpKeepsItsWholeLines) {
    for (const Format format : {Format::csv, Format::jsonl}) {
        const std::string whole = two_epochs(format);
        for (std::size_t room = 0; room < whole.size(); ++room) {
            const ScratchFiles files;
            const std::string name = files.path("log");
            {
                const SmallFiles full(room);
                const auto write = [&] {
                    RunLog log(name, format, {});
                    write_two_epochs(log);
                };
                EXPECT_THROW(write(), Failure) << room;
            }
            const std::string kept = whole.substr(0, whole.rfind('\n', room - 1) + 1);
            const bool has_line = room > 0 && whole.find('\n') < room;
            ASSERT_EQ(std::filesystem::exists(name), has_line) << room << " bytes of room";
            if (has_line) {
                EXPECT_EQ(files.read("log"), kept) << room << " bytes of room";
            }
        }
    }
}

TEST(RunLog, ACheckChangesNothing) {
    const ScratchFiles files;
    RunLog::check(files.path("new"), Format::csv, {});
    EXPECT_FALSE(std::filesystem::exists(files.path("new")));
    RunLog::check(files.write("log", two_epochs_csv), Format::csv, {1, 0, 0});
    RunLog::check(files.path("log"), Format::csv, {});
    EXPECT_EQ(files.read("log"), two_epochs_csv);
    EXPECT_THROW(RunLog::check("nowhere/log", Format::csv, {}), InputError);
    EXPECT_THROW(RunLog::check(files.path("log"), Format::jsonl, {1, 0, 0}), InputError);
}

TEST(RunLog, EndsWholeAlsoWhereNothingCanBeSynced) {
    for (const char* name : {"/dev/null", ""}) {
        RunLog log(name, Format::csv, {});
        log.write_step(1, 1, 0.5);
        EXPECT_NO_THROW(log.finish()) << name;
    }
}

TEST(RunLog, WithoutANameNothingIsWritten) {
    RunLog log("", Format::csv, {1, 0, 0});
    write_two_epochs(log);  // does not fail, and no file of an empty name can be
    EXPECT_FALSE(std::filesystem::exists(""));
}

}  // namespace
