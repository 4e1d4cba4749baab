// test_launcher.cpp: tasks that MPI sees one by one are found by what their launcher told them.
#include "app/run/launcher.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "comm/comm.h"
#include "tests/support/words.h"

namespace {

using Environment = std::map<std::string, std::string>;

std::optional<Launched> launched_in(const Environment& environment) {
    return launched([&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? nullptr : found->second.c_str();
    });
}

/// The words of the refusal; "elsewhere" where another task prints it; empty if there is none.
std::string refusal(const Environment& environment) {
    try {
        refuse_lone_tasks(launched_in(environment), "Some MPI 1.2");
    } catch (const InputError& error) {
        return error.what();
    } catch (const InputErrorElsewhere&) {
        return "elsewhere";
    }
    return "";
}

TEST(Launcher, ThatStartedSeveralTasksIsNamedOnce) {
    const struct {
        const char *tasks, *task;
    } launchers[] = {{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
                     {"PMI_SIZE", "PMI_RANK"},
                     {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                     {"MPI_LOCALNRANKS", "MPI_LOCALRANKID"},
                     {"PALS_LOCAL_SIZE", "PALS_RANKID"},
                     {"FLUX_JOB_SIZE", "FLUX_TASK_RANK"}};
    for (const auto& [tasks, task] : launchers) {
        const std::string words = refusal({{tasks, "4"}, {task, "0"}});
        EXPECT_TRUE(says(words, std::string(tasks) + " says that 4 tasks were started"));
        for (const char* part : {"(Some MPI 1.2)", "mpirun", "--separate-runs"})
            EXPECT_TRUE(says(words, part));
        EXPECT_EQ(words.find("srun --mpi=pmix") != std::string::npos,
                  std::string(tasks).starts_with("SLURM"));
        EXPECT_EQ(refusal({{tasks, "4"}, {task, "3"}}), "elsewhere") << tasks;
        EXPECT_EQ(refusal({{tasks, "1"}, {task, "0"}}), "") << tasks;
    }
}

TEST(Launcher, IsNoneInABatchShellOfSeveralTasks) {
    EXPECT_FALSE(launched_in({}));
    EXPECT_FALSE(
        launched_in({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}));
}

TEST(Launcher, OfASlurmStepIsNotTheShellOfItsTerminal) {
    const Environment shell = {
        {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "0"}, {"SLURM_PTY_PORT", "40000"}};
    EXPECT_EQ(refusal(shell), "");
}

/// mpirun -np 1 within a step of Slurm.
TEST(Launcher, OfMpiCountsBeforeTheBatchSystems) {
    EXPECT_EQ(refusal({{"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}}), "");
    EXPECT_EQ(refusal({{"PMI_SIZE", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}}), "");
}

TEST(Launcher, WhoseNumberIsNoneSaysNothing) {
    for (const char* text : {"", "0", "-4", "many"})
        EXPECT_FALSE(launched_in({{"SLURM_STEP_NUM_TASKS", text}})) << text;
}

}  // namespace
