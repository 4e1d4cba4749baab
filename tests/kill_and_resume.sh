#!/bin/bash
# kill_and_resume.sh MAIN [KILLS=50]: a training survives SIGKILL at any moment.
#
# It trains on two ranks with --checkpoint, kills mpirun or one of the ranks at a random moment, and
# resumes, until KILLS kills are done; trainings that end meanwhile are compared, bit for bit, with
# one that nobody disturbed, and begun anew. After every kill the newest checkpoint has to be
# readable, and at most one epoch that was announced may be lost. SEED=n repeats a series.
#
# Four kills of five come while the training is under way, and take the rest of the processes along.
# The fifth comes at any moment from the start of mpirun, which then ends what is left by itself; that
# takes it a second or two.
set -euo pipefail
cd "$(dirname "$0")/.."

main=${1:?usage: tests/kill_and_resume.sh MAIN [KILLS]}
kills=${2:-50}
. tests/mpi_env.sh
# What a run's start takes is no part of the claim: no search for network hardware, no helpers.
export OMPI_MCA_pml=ob1 OMPI_MCA_ess_singleton_isolated=1
RANDOM=${SEED:-$$}
echo "# SEED=${SEED:-$$}"

scratch=$(mktemp -d)
child=
cleanup() {
    [[ -z $child ]] || kill -KILL -- "-$child" 2>/dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

passed=0 failed=0
check() { # STATEMENT COMMAND...
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL  $1"
        sed 's/^/    | /' "$scratch/out"
    fi
}

# An epoch has 100 steps.
training=(--data "$scratch/data" -n 48 -b 6 -e 300 --seed 3)
state=$scratch/state

first_images() { # FILE HEADER ITEM COUNT: the first COUNT items of one of MNIST's files
    {
        gzip -dc "data/$1.gz" 2>/dev/null | head -c 4
        printf '%b' "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' 0 0 $(($4 / 256)) $(($4 % 256)))"
        gzip -dc "data/$1.gz" 2>/dev/null | tail -c +9 | head -c $(($2 - 8 + $3 * $4))
    } >"$scratch/data/$1" || [[ -s $scratch/data/$1 ]]
}
mkdir "$scratch/data"
set +o pipefail # head ends gzip early, as it should
first_images train-images-idx3-ubyte 16 784 600
first_images train-labels-idx1-ubyte 8 1 600
first_images t10k-images-idx3-ubyte 16 784 100
first_images t10k-labels-idx1-ubyte 8 1 100
set -o pipefail

same_bits() { [[ $(tests/tensors.sh "$1") == "$(tests/tensors.sh "$2")" ]]; }
# The newest state's epoch; empty where none is readable. What is damaged is said on stderr.
epoch_of_state() {
    { "$main" inspect --json "$state" 2>/dev/null || true; } |
        sed -n 's/.*"epoch":\([0-9]*\).*/\1/p' | sort -n | tail -n 1
}
announced() { awk '$1 == "epoch" { split($2, e, "/"); n = e[1] } END { print n + 0 }' "$scratch/out"; }

begin() { # RANKS FLAGS...: in a session of its own, so that all of it can be found and killed
    : >"$scratch/out" # nobody may take the last training's lines for this one's
    setsid mpirun -np "$1" "$main" "${training[@]}" "${@:2}" >"$scratch/out" 2>&1 </dev/null &
    child=$!
}
# One of mpirun and its ranks.
victim() {
    local all
    mapfile -t all < <(pgrep -s "$child" -f "$main" || true)
    ((${#all[@]})) && echo "${all[RANDOM % ${#all[@]}]}"
}
finish() {
    wait "$child" 2>/dev/null && code=0 || code=$?
    # Ranks whose mpirun was killed end by themselves, a little later.
    pkill -KILL -s "$child" 2>/dev/null || true
    child=
}
wait_for_epochs() { # PATTERN: until the running training has announced one that matches, or ended
    while [[ -e /proc/$child ]] && ! grep -q "^epoch  *$1" "$scratch/out"; do sleep 0.01; done
}
some_seconds() { awk -v r="$RANDOM" -v most="$1" 'BEGIN { print most * r / 32768 }'; }

begin 2 --save "$scratch/undisturbed.safetensors"
finish
check "the undisturbed training ends well" [ "$code" = 0 ]

done_kills=0 finished=0 resumed=0
while ((done_kills < kills)); do
    begin 2 --checkpoint "$state" --resume --save "$scratch/disturbed.safetensors"
    any_moment=$((RANDOM % 5 == 0))
    if ((any_moment)); then
        sleep "$(some_seconds 1)"
    else
        wait_for_epochs '[0-9]'
        sleep "$(some_seconds 0.4)"
    fi
    if process=$(victim) && kill -KILL "$process" 2>/dev/null; then
        done_kills=$((done_kills + 1))
        ((any_moment)) || pkill -KILL -s "$child" 2>/dev/null || true
    fi
    finish
    grep -q '^# resume *from' "$scratch/out" && resumed=$((resumed + 1))
    if ((code == 0)); then
        finished=$((finished + 1))
        check "a training that was killed and resumed ends in the same bits" \
            same_bits "$scratch/undisturbed.safetensors" "$scratch/disturbed.safetensors"
        rm -rf "$state"
        continue
    fi
    last=$(announced) kept=$(epoch_of_state)
    check "after a kill, a state of at least epoch $((last - 1)) is readable, found '$kept'" \
        [ "${kept:-0}" -ge "$last" ]
done
echo "# $done_kills kills, $resumed resumed runs, $finished trainings ended in between"

begin 2 --checkpoint "$state" --resume --save "$scratch/disturbed.safetensors"
finish
check "the last one ends well" [ "$code" = 0 ]
check "the last one ends in the same bits" \
    same_bits "$scratch/undisturbed.safetensors" "$scratch/disturbed.safetensors"
# Of few kills, all may come too early.
((kills < 20)) || check "at least a third of the runs were killed while they trained, not before" \
    [ $((3 * resumed)) -ge "$kills" ]

# SIGUSR1 by mpirun, which hands it on; SIGTERM, by which mpirun would end at once, to one rank.
for signal in USR1 TERM; do
    rm -rf "$state"
    begin 2 --checkpoint "$state" --save "$scratch/stopped.safetensors"
    wait_for_epochs '[3-9]/'
    target=$child
    [[ $signal == USR1 ]] || target=$(pgrep -s "$child" -f "^$main" | tail -n 1 || true)
    check "a training is under way when SIG$signal comes" kill -"$signal" "$target"
    finish
    check "SIG$signal ends a run after a checkpoint" grep -q '^# stopped by a signal after [0-9]' \
        "$scratch/out"
    check "its exit code is 4" [ "$code" = 4 ]
    begin 2 --checkpoint "$state" --resume --save "$scratch/stopped.safetensors"
    finish
    check "resumed from within an epoch, it ends in the same bits" \
        same_bits "$scratch/undisturbed.safetensors" "$scratch/stopped.safetensors"
done

echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
