#!/bin/bash
# hw6.sh: compiles, tests and trains, as a Slurm job or by hand. Its exit code is the job's.
#
#     sbatch hw6.sh                       on a cluster
#     ./hw6.sh                            on a laptop, or inside an allocation
#     NP=3 sbatch hw6.sh -n 512 -e 5      with 3 ranks; all that follows hw6.sh goes to ./main
#     TESTS=test-quick ./hw6.sh           with the short tests; TESTS= for none
#
#SBATCH --job-name=hw6
#SBATCH --nodes=1
#SBATCH --ntasks=4
#SBATCH --time=00:30:00
#SBATCH --output=hw6-%j.out
#
# GPUs: take one # off the next line. It is off because a cluster without GPUs refuses such a job.
##SBATCH --gres=gpu:4
#
# Where the compiler, MPI and CUDA come as modules (their names differ; see "module avail"):
# module load gcc openmpi cuda

set -euo pipefail

# The number of ranks. Uncomment another line to change it; NP=3 ./hw6.sh goes before all of them.
ranks=4
# ranks=1
# ranks=2
# ranks=3
# ranks=5
NP=${NP:-$ranks}
TESTS=${TESTS-test} # the target of make that is run as the test

refuse() {
    echo "hw6.sh: $*" >&2
    exit 2
}
[[ $NP =~ ^[1-9][0-9]*$ ]] || refuse "NP='$NP' is no number of ranks; say for example NP=3 ./hw6.sh"

# Slurm runs a copy of this file, whose place says nothing about the project. It does remember the
# path that was submitted, except for "sbatch < hw6.sh": then the directory has to be the project.
project=$(dirname "$(readlink -f "$0")")
if [[ ! -f $project/neural_network.h ]]; then
    submitted=$(squeue --noheader --job="${SLURM_JOB_ID:-}" --format=%o 2>/dev/null || true)
    project=${submitted%%/hw6.sh*}
    [[ -f $project/neural_network.h ]] || project=${SLURM_SUBMIT_DIR:-.}
fi
cd "$project"
[[ -f neural_network.h ]] || refuse "$PWD is not the project; go to its directory and submit again"

# NP may exceed the tasks of the job and the cores of the node; root is fine, in a container.
source tests/mpi_env.sh

# The job's own cores, not all that the node has.
jobs=${SLURM_CPUS_ON_NODE:-$(nproc)}

nodes=${SLURM_JOB_NODELIST:-$(uname -n)}
echo "# hw6.sh: $NP ranks, job ${SLURM_JOB_ID:-none}, on $nodes, in $PWD"
make -j "$jobs"
if [[ -n $TESTS ]]; then
    make -j "$jobs" "$TESTS" NP="$NP"
fi
mpirun -np "$NP" ./main "$@"
