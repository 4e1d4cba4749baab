// test_checkpoint.cpp: a folder of checkpoints gives the newest readable one and keeps two.
#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "model/initial.h"
#include "tests/support/file_fixture.h"

namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

Model model_at(int epoch, int step) {
    const auto seed = static_cast<std::uint64_t>(epoch * 1000 + step);
    Model model{initial_parameters<nn_real>(Layout({3, 2}), seed, 0), {}};
    model.facts.state = {epoch, step, 0.5};
    return model;
}

Names names_in(const fs::path& dir) {
    Names names;
    for (const auto& entry : fs::directory_iterator(dir))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

/// What newest() gives, and what it told meanwhile.
struct Newest {
    explicit Newest(CheckpointFolder folder)
        : model(folder.newest([&](const std::string& line) { told.push_back(line); }, file)) {}
    Names told;
    std::string file;
    std::optional<Model> model;
};

TEST(Checkpoints, OfANewFolderAreNone) {
    TemporaryDirectory dir;
    const CheckpointFolder folder(dir.path / "a" / "b");
    EXPECT_TRUE(folder.empty());
    const Newest newest(folder);
    EXPECT_FALSE(newest.model);
    EXPECT_TRUE(newest.told.empty());
}

TEST(Checkpoints, AreTheLastTwo) {
    TemporaryDirectory dir;
    CheckpointFolder folder(dir.path);
    for (int epoch = 8; epoch <= 11; ++epoch) folder.save(model_at(epoch, 0));
    folder.save(model_at(11, 250));
    EXPECT_EQ(names_in(dir.path), (Names{"checkpoint-000011-000000000.safetensors",
                                         "checkpoint-000011-000000250.safetensors"}));
    const Newest newest(folder);
    ASSERT_TRUE(newest.model);
    EXPECT_EQ(newest.file, "checkpoint-000011-000000250.safetensors");
    EXPECT_EQ(newest.model->facts.state, (TrainingState{11, 250, 0.5}));
    EXPECT_EQ(newest.model->parameters.values, model_at(11, 250).parameters.values);
}

TEST(Checkpoints, AreOrderedByNumberBeyondTheirWidth) {
    TemporaryDirectory dir;
    CheckpointFolder folder(dir.path);
    folder.save(model_at(999999, 0));
    folder.save(model_at(1000000, 0));
    EXPECT_EQ(Newest(folder).file, "checkpoint-1000000-000000000.safetensors");
}

TEST(Checkpoints, ThatAreDamagedAreToldAndPassedOver) {
    TemporaryDirectory dir;
    CheckpointFolder writer(dir.path);
    writer.save(model_at(1, 0));
    const auto good = dir.path / "checkpoint-000001-000000000.safetensors";
    dir.write("checkpoint-000003-000000000.safetensors", {1, 2, 3});
    fs::copy(good, dir.path / "checkpoint-000002-000000000.safetensors");
    const Newest newest{CheckpointFolder(dir.path)};
    ASSERT_TRUE(newest.model);
    EXPECT_EQ(newest.file, good.filename());
    ASSERT_EQ(newest.told.size(), 2u);
    EXPECT_NE(newest.told[0].find("checkpoint-000003-000000000.safetensors: expected"),
              std::string::npos);
    EXPECT_NE(newest.told[1].find("state of its name, found epoch 1, step 0"), std::string::npos)
        << newest.told[1];
}

TEST(Checkpoints, ThatAreReadableAreNeverGivenUpForDamagedOnes) {
    // A run that passed over damaged ones must keep the one it came from until it has two again.
    TemporaryDirectory dir;
    CheckpointFolder(dir.path).save(model_at(1, 0));
    const std::string good = "checkpoint-000001-000000000.safetensors";
    dir.write("checkpoint-000002-000000000.safetensors", {1});
    dir.write("checkpoint-000009-000000000.safetensors", {1});
    CheckpointFolder folder(dir.path);
    std::string file;
    ASSERT_TRUE(folder.newest([](const std::string&) {}, file));
    folder.save(model_at(3, 0));
    EXPECT_EQ(names_in(dir.path), (Names{good, "checkpoint-000003-000000000.safetensors"}));
    folder.save(model_at(3, 0));  // the same place again takes nothing away
    EXPECT_EQ(names_in(dir.path), (Names{good, "checkpoint-000003-000000000.safetensors"}));
}

TEST(Checkpoints, HaveExactlyTheirName) {
    TemporaryDirectory dir;
    for (const char* name :
         {"checkpoint-1-0.safetensors", "checkpoint-000001-000000000.safetensors.tmp-1-elsewhere",
          "checkpoint-0000001-000000000.safetensors", "checkpoint--00001-000000000.safetensors",
          "checkpoint-99999999999-000000000.safetensors", "checkpoint-000001", "checkpoint-000001-",
          "checkpoint-", "xcheckpoint-000001-000000000.safetensors",
          "checkpoint-000001-000000000.safetensorsx"})
        dir.write(name, {1});
    const Names before = names_in(dir.path);
    CheckpointFolder folder(dir.path);
    EXPECT_TRUE(folder.empty());
    folder.save(model_at(1, 0));
    folder.save(model_at(2, 0));
    folder.save(model_at(3, 0));
    EXPECT_EQ(names_in(dir.path).size(), before.size() + 2) << "a foreign file was removed";
}

TEST(Checkpoints, NeedAFolderThatCanBeWritten) {
    TemporaryDirectory dir;
    dir.write("file", {1});
    expect_refusal([&] { CheckpointFolder(dir.path / "file"); }, {"--checkpoint DIR"});
    expect_refusal([&] { CheckpointFolder(dir.path / "file" / "in"); }, {"--checkpoint DIR"});
    expect_refusal([&] { CheckpointFolder("/proc/none"); }, {"--checkpoint DIR"});
}

TEST(Checkpoints, AreAllStillThereWhenTheDiskIsFull) {
    TemporaryDirectory dir;
    CheckpointFolder folder(dir.path);
    folder.save(model_at(1, 0));
    folder.save(model_at(2, 0));
    const Names before = names_in(dir.path);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit none{100, 100};
        setrlimit(RLIMIT_FSIZE, &none);
        try {
            folder.save(model_at(3, 0));
        } catch (const Failure&) {
            _exit(7);
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7) << "should have been a Failure";
    EXPECT_EQ(names_in(dir.path), before);
}

}  // namespace
