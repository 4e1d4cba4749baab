// launcher.cpp: reads the variables of Open MPI, MPICH and Intel MPI, PALS, Flux and Slurm.
#include "app/run/launcher.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "comm/comm.h"

namespace {

constexpr const char* slurm_tasks = "SLURM_STEP_NUM_TASKS";

/// The variables of a launcher: the number of tasks, and the number of this task from 0 on.
struct Variables {
    const char *tasks, *task;
};
constexpr Variables launchers[] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                   {"PMI_SIZE", "PMI_RANK"},
                                   {"MPI_LOCALNRANKS", "MPI_LOCALRANKID"},
                                   {"PALS_LOCAL_SIZE", "PALS_RANKID"},
                                   {"FLUX_JOB_SIZE", "FLUX_TASK_RANK"},
                                   {slurm_tasks, "SLURM_PROCID"}};

}  // namespace

std::optional<Launched> launched(const std::function<const char*(const char*)>& value_of) {
    const auto number = [&](const char* name) {
        const char* const text = value_of(name);
        return text == nullptr ? 0 : std::max(0, std::atoi(text));
    };
    for (const auto& [tasks, task] : launchers) {
        if (number(tasks) < 1) continue;
        // In the shell of `srun --pty`, the step's tasks are over, except for the shell.
        if (tasks == slurm_tasks && value_of("SLURM_PTY_PORT") != nullptr) continue;
        return Launched{tasks, number(tasks), number(task)};
    }
    return std::nullopt;
}

void refuse_lone_tasks(const std::optional<Launched>& launched, const std::string& mpi_version) {
    if (!launched || launched->tasks == 1) return;
    if (launched->task > 0) throw InputErrorElsewhere{};
    const std::string tasks = std::to_string(launched->tasks);
    throw InputError(launched->by + " says that " + tasks + " tasks were started, but this MPI (" +
                     mpi_version + ") sees each of them alone; start them with " +
                     (launched->by == slurm_tasks ? "srun --mpi=pmix, or with " : "") +
                     "this MPI's mpirun; if " + tasks +
                     " separate runs are meant, add --separate-runs");
}
