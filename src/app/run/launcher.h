// launcher.h: whether a launcher started several tasks, of which MPI sees only one each.
//
// So it is with `srun` without PMI, and with the mpirun of another MPI: every task takes itself for
// the only rank, and all train and write the same. Launchers tell their tasks by the environment
// how many there are.
#pragma once
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

/// What the environment says of the launcher that started this process.
struct Launched {
    std::string by;  ///< the variable that says so: "SLURM_STEP_NUM_TASKS"
    int tasks = 1;   ///< at least 1; of PALS and Intel's launcher, perhaps only those of this node
    int task = 0;    ///< the number of this one; 0 if the launcher does not say
};

/// Empty if no launcher says anything. The innermost one counts: MPI's own before the batch
/// system's. SLURM_NTASKS is of no use, because a batch shell has it, too. `value_of` returns the
/// value of a variable, or null.
std::optional<Launched> launched(const std::function<const char*(const char* name)>& value_of =
                                     [](const char* name) { return std::getenv(name); });

/// For a process that MPI calls the only rank. If it is one of several tasks, throws InputError in
/// task 0, and InputErrorElsewhere in the others.
void refuse_lone_tasks(const std::optional<Launched>& launched, const std::string& mpi_version);
