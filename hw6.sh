#!/bin/bash
# hw6.sh: compiles, tests and trains, as a Slurm job or by hand. Its exit code is the job's.
#
#     sbatch hw6.sh                       on a cluster
#     ./hw6.sh                            on a laptop, or inside an allocation
#     NP=3 sbatch hw6.sh -n 512 -e 5      with 3 ranks; all that follows hw6.sh goes to ./main
#     TESTS=test ./hw6.sh                 with all tests, not the short ones; TESTS= for none
#
# A job keeps its training's state in checkpoints/JOB. Two minutes before its time is over Slurm says
# so, the training stops after its step, and the job goes back into the queue, where the cluster
# allows that; started again, it goes on from there, with the same bits as if nothing had happened.
#
#SBATCH --job-name=hw6
#SBATCH --nodes=1
#SBATCH --ntasks=4
#SBATCH --time=00:30:00
#SBATCH --output=hw6-%j.out
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
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
TESTS=${TESTS-test-quick} # the target of make that is run as the test; it has to fit the job's time

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

# The job's own cores, not all that the node has.
jobs=${SLURM_CPUS_ON_NODE:-$(nproc)}

started=${SLURM_RESTART_COUNT:-0} # how often before

# Slurm's warning goes to this script alone. SIGTERM comes with scancel and when the job has to make
# way for another; then Slurm itself decides whether it is queued again. What keeps no state would
# only die of the warning; it may still end in time.
child='' keeps='' warned='' heard=''
# shellcheck disable=SC2317 # the traps call it
stop() { # SIGNAL
    heard=$1
    [[ $1 != USR1 ]] || warned=1
    if [[ -n $child && -n $keeps ]]; then
        kill -USR1 "$child" 2>/dev/null || true
    elif [[ -n $child && $1 == TERM ]]; then
        kill -TERM "$child" 2>/dev/null || true
    fi
}
trap 'stop USR1' USR1
trap 'stop TERM' TERM

nodes=${SLURM_JOB_NODELIST:-$(uname -n)}
echo "# hw6.sh: $NP ranks, job ${SLURM_JOB_ID:-none}, on $nodes, in $PWD"
make -j "$jobs"
# Ranks are started by the MPI that built ./main, unless MPIRUN says otherwise: with another one, each
# would be alone. NP may exceed the tasks of the job and the cores of the node; root is fine, in a
# container.
read -r built _ <build/main.flags
MPIRUN=${MPIRUN:-$(sed -n 's/^MPI_STARTER := //p' "$built/toolchain.mk")}
source tests/mpi_env.sh
if [[ -n $TESTS && $started == 0 ]]; then
    if tools/setup.sh test; then
        make -j "$jobs" "$TESTS" NP="$NP"
    else
        echo "# hw6.sh: what make $TESTS needs is missing (see above): training without tests"
    fi
fi

# A training in a job keeps its state, unless the flags say how themselves, or are none of train's.
state=()
case " $* " in
*" -g"* | *" --grade"* | *" --help "* | *" -h "* | " predict "* | " evaluate "* | " inspect "* | \
    " demo "*) ;;
*" --checkpoint "* | *" --checkpoint="*)
    keeps=1
    [[ $started == 0 || " $* " == *" --resume "* ]] || state=(--resume)
    ;;
*)
    if [[ -n ${SLURM_JOB_ID:-} ]]; then
        keeps=1
        state=(--checkpoint "checkpoints/$SLURM_JOB_ID" --resume)
        mkdir -p checkpoints
        # A number may come back when a cluster is set up anew: what lies there is not this job's.
        [[ $started != 0 ]] || rm -rf "checkpoints/$SLURM_JOB_ID"
    fi
    ;;
esac

# In the background: a trap has to wait for what runs in front.
[[ -z $warned ]] || refuse "the job's time was over before the training began; give it more (sbatch --time=...)"
mpirun -np "$NP" ./main "$@" "${state[@]}" &
child=$!
[[ -z $heard ]] || stop "$heard" # it came before there was somebody to tell
while true; do
    heard='' code=0
    wait "$child" || code=$?
    [[ -n $heard ]] || break # or else the wait was interrupted, and the training goes on
done

stopped=4 # ./main's exit code after such a signal
if [[ $code == "$stopped" && -n $warned ]]; then
    if [[ -n ${SLURM_JOB_ID:-} ]] && scontrol requeue "$SLURM_JOB_ID"; then
        echo "# hw6.sh: the time is over; job $SLURM_JOB_ID is queued again and will go on"
    else
        echo "hw6.sh: the time is over, and the job could not be queued again; go on by:" \
            "sbatch hw6.sh $* ${state[*]}" >&2
    fi
fi
exit "$code"
