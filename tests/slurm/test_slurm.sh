#!/bin/bash
# test_slurm.sh: does hw6.sh do on a Slurm cluster what its head says, for right and for wrong?
#
# It starts a real Slurm of four nodes, each in its own network, and then one of one node, and hands
# jobs to both as a user would. Everything happens in a temporary directory, on a copy of the
# project, and is taken down again however this script ends. It needs root, and for the four nodes
# network namespaces; what cannot run is counted as skipped, or as failed with REQUIRE_SLURM=1.
set -uo pipefail

here=$(dirname "$(readlink -f "$0")")
source_tree=$(realpath "$here/../..")
scratch=$(mktemp -d "${TMPDIR:-/tmp}/hw6-slurm.XXXXXX")
chmod 755 "$scratch" # munged insists that everybody can reach its socket
project=$scratch/project
elsewhere=$scratch/elsewhere
passed=0 failed=0 skipped=0
shown= # the log that was shown last
# Of make, run by hw6.sh; of its runs these two: what they say is not asked here, but what hw6.sh does.
tests=test-quick
export RUNS_QUICK="golden train-reduce:3"
progress_line="^epoch +[0-9]+/[0-9]+ "
# A small training that compares itself with the reference, one of some seconds that can be told to
# stop meanwhile (-e N is to follow), and one that nobody would wait for.
short_training=(-s -n 32 -b 64 -e 1 --train-size 2000)
steady_training=(-n 256 -b 256 --train-size 59900)
endless_training=(-n 32 -b 64 -e 1000000 --train-size 2000)

# ---- reporting -----------------------------------------------------------------------------------

pass() {
    passed=$((passed + 1))
    echo "PASS  $*"
}

# fail WHAT [LOG]: also shows the end of the log that explains it, unless it was shown just before.
fail() {
    failed=$((failed + 1))
    echo "FAIL  $1"
    if [[ -n ${2:-} && $2 != "$shown" ]]; then
        echo "      the end of $2:"
        tail -n 30 "$2" 2>&1 | sed 's/^/      | /'
        shown=$2
    fi
}

skip() {
    if [[ -n ${REQUIRE_SLURM:-} ]]; then
        fail "$* (REQUIRE_SLURM is set)"
    else
        skipped=$((skipped + 1))
        echo "SKIP  $*"
    fi
}

# ---- the clusters --------------------------------------------------------------------------------

# start_cluster NODES CPUS GPUS: what follows speaks to this one.
start_cluster() {
    cluster=$scratch/cluster$1
    if "$here/slurm_up.sh" "$cluster" "$@" 2>"$scratch/slurm_up.log"; then
        pass "a Slurm of $1 node(s) starts"
    else
        fail "a Slurm of $1 node(s) starts" "$scratch/slurm_up.log"
        return 1
    fi
}

stop_cluster() {
    if "$here/slurm_down.sh" "$cluster" 2>"$scratch/slurm_down.log"; then
        pass "it stops, and no process of it is left"
    else
        fail "it stops, and no process of it is left" "$scratch/slurm_down.log"
    fi
    cluster=
}

# shellcheck disable=SC2317 # a trap calls it
take_down() {
    trap '' INT TERM HUP
    jobs -p | xargs -r kill 2>/dev/null # a wait, or hw6.sh run by hand
    [[ -z ${cluster:-} ]] || "$here/slurm_down.sh" "$cluster"
    rm -rf "$scratch"
}
trap take_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- jobs ----------------------------------------------------------------------------------------

# submit DIRECTORY ARGUMENTS OF SBATCH...: submits from there; $job and $output are this job's.
submit() {
    cd "$1" || exit 3
    shift
    # Every Slurm counts its jobs from 1: what an earlier job of that number said is not this one's.
    rm -f hw6-*.out
    shown=
    job=$("$cluster/enter" sbatch --parsable "$@" 2>"$scratch/sbatch.log") || job=refused
    output=$PWD/hw6-$job.out
    [[ $job != refused ]] || cp "$scratch/sbatch.log" "$output"
}

# ends_as WHAT STATE SECONDS: the job ends in time, in this state and with this exit code; * is any.
ends_as() {
    local begin=$SECONDS state
    # In the background, because a signal to this script is not heard while a command runs.
    "$here/wait_job.sh" "$cluster" "$job" "$3" >"$scratch/state" &
    wait $!
    state=$(<"$scratch/state")
    # shellcheck disable=SC2053
    if [[ $state == $2 ]]; then
        pass "$1: $state ($((SECONDS - begin)) s)"
    else
        fail "$1: expected $2 within $3 s, found $state" "$output"
        # A job that goes on would keep the next one waiting.
        "$cluster/enter" scancel --quiet "$job" 2>/dev/null
        "$here/wait_job.sh" "$cluster" "$job" 10 >/dev/null
    fi
}

# says WHAT REGEX: some line of the job's output.
says() {
    if grep -qE -e "$2" "$output"; then pass "$1"; else fail "$1: no line has '$2'" "$output"; fi
}
# says_once WHAT REGEX: one line and no other.
says_once() {
    local lines
    lines=$(grep -cE -e "$2" "$output")
    if [[ $lines == 1 ]]; then pass "$1"; else fail "$1: $lines lines have '$2'" "$output"; fi
}

# ends_saying WHAT REGEX: the last line of the job's output.
ends_saying() {
    if tail -n 1 "$output" | grep -qE -e "$2"; then
        pass "$1"
    else
        fail "$1: the last line has no '$2'" "$output"
    fi
}

# says_within SECONDS REGEX
says_within() {
    local end=$((SECONDS + $1))
    until grep -qsE -e "$2" "$output"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# trains: waits until the job has done an epoch.
trains() {
    says_within 60 "$progress_line" && return
    fail "a training makes progress" "$output"
    "$cluster/enter" scancel "$job" # the next one would wait for it
    return 1
}

# goes_on SECONDS WHAT: the job comes back from the queue in time, and resumes.
goes_on() {
    if says_within "$1" "^# resume +from checkpoint-"; then
        pass "$2"
    else
        fail "$2: no line says so within $1 s" "$output"
    fi
}

# keeps_a_state WHAT
keeps_a_state() {
    "$project/main" inspect "$project/checkpoints/$job" >"$scratch/states" 2>&1
    if grep -Eq "^  checkpoint-.* epochs? and " "$scratch/states"; then
        pass "$1"
    else
        fail "$1" "$scratch/states"
    fi
}

# same_bits WHAT FILE FILE: both hold the same parameters.
same_bits() {
    if [[ -s $2 && $("$here/../tensors.sh" "$2") == "$("$here/../tensors.sh" "$3")" ]]; then
        pass "$1"
    else
        fail "$1: the tensors of $2 and $3 differ" "$output"
    fi
}

# process_of_rank RANK: its number, in the present job.
process_of_rank() {
    local pid
    for pid in $("$here/slurm_processes.sh" "$cluster" "$job"); do
        if grep -qzsx "OMPI_COMM_WORLD_RANK=$1" "/proc/$pid/environ"; then echo "$pid"; fi
    done
}

nothing_is_left() {
    local i
    for ((i = 0; i < 50; i++)); do
        if [[ -z $("$here/slurm_processes.sh" "$cluster" "$job") ]]; then
            pass "$1"
            return
        fi
        sleep 0.1
    done
    for i in $("$here/slurm_processes.sh" "$cluster" "$job"); do
        tr '\0' ' ' <"/proc/$i/cmdline"
        echo
    done >"$scratch/left"
    fail "$1" "$scratch/left"
}

# ---- no Slurm ------------------------------------------------------------------------------------

test_by_hand() {
    cd "$elsewhere" || exit 3
    output=$scratch/by_hand.out
    NP=2 TESTS='' timeout 600 "$project/hw6.sh" "${short_training[@]}" >"$output" 2>&1 &
    if wait $!; then
        pass "hw6.sh by hand, from another directory: exit code 0"
    else
        fail "hw6.sh by hand, from another directory: exit code $?" "$output"
    fi
    says "its parameters match the reference's" "^CHECK PASSED"
}

# A cluster may have no GoogleTest, and its user no right to install it.
test_without_googletest() {
    cp -p "$project/tools/setup.sh" "$scratch/setup.sh"
    # shellcheck disable=SC2016 # it is for that script
    sed -i '2i [[ $1 != test ]] || { echo "setup.sh: missing: gtest/gtest.h" >&2; exit 2; }' \
        "$project/tools/setup.sh"
    output=$scratch/without_googletest.out
    NP=2 timeout 600 "$project/hw6.sh" "${short_training[@]}" >"$output" 2>&1 &
    if wait $!; then
        pass "hw6.sh where GoogleTest is missing: exit code 0"
    else
        fail "hw6.sh where GoogleTest is missing: exit code $?" "$output"
    fi
    says_once "it says that its short tests are left out" "^# hw6.sh: what make test-quick needs is missing"
    says "and it trains" "^CHECK PASSED"
    cp -p "$scratch/setup.sh" "$project/tools/setup.sh"
}

# What test_warned_job compares with.
train_undisturbed() {
    undisturbed=$scratch/undisturbed.safetensors
    output=$scratch/undisturbed.out
    NP=4 TESTS='' timeout 600 "$project/hw6.sh" "${steady_training[@]}" -e 10 \
        --save "$undisturbed" >"$output" 2>&1 &
    wait $! || fail "a training that nobody disturbs: exit code $?" "$output"
}

# ---- one node ------------------------------------------------------------------------------------

test_training_in_the_project() {
    TESTS='' submit "$project" hw6.sh "${short_training[@]}"
    ends_as "sbatch hw6.sh in the project" "COMPLETED 0:0" 600
    says "it trains on as many ranks as the job has tasks" "^# hw6.sh: 4 ranks"
    says "its parameters match the reference's" "^CHECK PASSED"
    says "it reports the test accuracy" "^# test accuracy [0-9.]+ %"
}

test_tests_from_elsewhere() {
    NP=3 TESTS=$tests submit "$elsewhere" --ntasks=2 "$project/hw6.sh" "${short_training[@]}"
    ends_as "NP=3 sbatch --ntasks=2 hw6.sh, with its tests, from elsewhere" "COMPLETED 0:0" 600
    says "it works in the project" "^# hw6.sh: 3 ranks, .*, in $project\$"
    says "its tests ran, and passed" "^[1-9][0-9]* passed, 0 failed"
    says "it trained after its tests" "^CHECK PASSED"
}

test_script_from_standard_input() {
    TESTS=no-such-target submit "$project" <hw6.sh
    ends_as "sbatch < hw6.sh, with tests that make does not know" "FAILED 2:0" 60
    says "it works in the directory it was submitted from" "^# hw6.sh: .*, in $project\$"
}

test_outside_of_the_project() {
    TESTS='' submit "$elsewhere" <"$project/hw6.sh"
    ends_as "sbatch < hw6.sh in a directory that is not the project" "FAILED 2:0" 60
    says "it says what to do" "is not the project; go to its directory"
}

test_gpus_asked_for_on_a_node_without_drivers() {
    sed 's/^##SBATCH --gres/#SBATCH --gres/' "$project/hw6.sh" >"$scratch/hw6.sh"
    TESTS='' submit "$project" "$scratch/hw6.sh" "${short_training[@]}"
    ends_as "hw6.sh with its line for GPUs switched on" "COMPLETED 0:0" 60
    "$cluster/enter" scontrol show job "$job" >"$output.job"
    if grep -q 'gres.gpu[:=]4' "$output.job"; then
        pass "Slurm gave it four GPUs"
    else
        fail "Slurm gave it four GPUs" "$output.job"
    fi
}

test_bad_flag() {
    TESTS='' submit "$project" hw6.sh --no-such-flag
    ends_as "a flag that ./main does not know" "FAILED 2:0" 60
    says "it names the flag" "no-such-flag"
}

test_bad_number_of_ranks() {
    NP=four submit "$project" hw6.sh
    ends_as "NP=four" "FAILED 2:0" 60
    says "it says how to do it" "say for example NP=3"
}

test_warned_job() {
    # Any target of make does for the tests; this one is quick and says something.
    TESTS=help submit "$project" hw6.sh "${steady_training[@]}" -e 10 --checkpoint-every 2 \
        --save "$scratch/warned.safetensors"
    trains || return
    "$cluster/enter" scancel --batch --signal=USR1 "$job"
    ends_as "a job that is warned while it trains" "COMPLETED 0:0" 120
    says_once "it stopped after its step" "^# stopped by a signal after [0-9]+ epochs?[ ;]"
    says_once "it put itself back into the queue" "^# hw6.sh: .* job $job is queued again"
    says_once "started again, it went on from there" "^# resume +from checkpoint-"
    says_once "its tests ran the first time alone" "^ +make test-slurm "
    same_bits "it ended in the bits of a training that nobody disturbed" \
        "$undisturbed" "$scratch/warned.safetensors"
}

# With hw6.sh's own two minutes of warning, and with Slurm's half a minute between looks at the
# clock, a job of three minutes is warned in its second half minute.
test_time_limit() {
    TESTS='' submit "$project" --time=3 hw6.sh "${endless_training[@]}"
    goes_on 110 "a job that Slurm warns, for its time is nearly over, goes on in another"
    says_once "it stopped after its step" "^# stopped by a signal after [0-9]+ epochs?[ ;]"
    "$cluster/enter" scancel "$job"
    ends_as "scancel after that" "CANCELLED *" 15
    keeps_a_state "a state of it is kept"
}

# What trains nothing, or on its own terms, would refuse the flags that keep a state.
# Its environment tells of four tasks, but it is one process, and its own only rank.
test_plain_command_in_a_batch_shell() {
    submit "$project" --ntasks=4 --output=hw6-%j.out --wrap "./main inspect data"
    ends_as "./main in the batch shell of four tasks" "COMPLETED 0:0" 60
    says "it does its work" "60000"
}

test_commands_that_keep_no_state() {
    local command
    for command in "inspect data" "evaluate --load $undisturbed" "-g 4"; do
        # shellcheck disable=SC2086 # it is several words
        TESTS='' submit "$project" hw6.sh $command
        ends_as "sbatch hw6.sh ${command%% /*}" "COMPLETED 0:0" 60
    done
}

test_failing_test() {
    truncate --size=-1 "$project/data/t10k-labels-idx1-ubyte.gz"
    NP=2 TESTS=$tests submit "$project" hw6.sh "${short_training[@]}"
    ends_as "a file of the data that lost a byte, and so a failing test" "FAILED 2:0" 600
    says "its tests found it" "^[0-9]+ passed, [1-9][0-9]* failed"
    ends_saying "nothing followed the tests" "^make: \*\*\*"
}

# ---- four nodes ----------------------------------------------------------------------------------

test_training_across_nodes() {
    TESTS='' submit "$project" --nodes=4 hw6.sh "${short_training[@]}"
    ends_as "sbatch --nodes=4 hw6.sh" "COMPLETED 0:0" 120
    says "its parameters match the reference's" "^CHECK PASSED"
    local i
    for i in 1 2 3 4; do says "a rank was on node$i" "^# rank [0-9]+ +node$i: "; done
    # Ranks of other nodes fetch and add to the parameters that lie on the first.
    TESTS='' submit "$project" --nodes=4 hw6.sh -n 32 -b 64 -e 1 --train-size 2000 --sync async:3
    ends_as "sbatch --nodes=4 hw6.sh --sync async:3" "COMPLETED 0:0" 120
    says "no update of it was staler than three" "^# staleness .*, [0-3] at most"
}

test_bad_flag_across_nodes() {
    TESTS='' submit "$project" --nodes=4 hw6.sh -b 0
    ends_as "a flag that is refused, on four nodes" "FAILED 2:0" 60
    says_once "one rank alone says so" "^main: --batch"
    nothing_is_left "no process of it is left"
}

test_killed_rank() {
    # The folder is the user's here, who did not think of --resume.
    TESTS='' submit "$project" --nodes=4 hw6.sh "${steady_training[@]}" -e 5 \
        --checkpoint "$scratch/mine"
    trains || return
    kill -KILL "$(process_of_rank 2)"
    ends_as "a rank on another node, killed while it trains" "FAILED 137:0" 15
    says "the output names the rank, its node and the signal" "rank 2 .* node3 exited on signal 9"
    nothing_is_left "no process of it is left"
    "$cluster/enter" scontrol requeue "$job"
    ends_as "that job, put back into the queue by hand" "COMPLETED 0:0" 120
    says_once "it went on from its state" "^# resume +from checkpoint-"
}

test_cancelled_job() {
    TESTS='' submit "$project" --nodes=4 hw6.sh "${endless_training[@]}"
    trains || return
    "$cluster/enter" scontrol requeue "$job"
    goes_on 60 "a job that was put back into the queue while it trained goes on from its state"
    "$cluster/enter" scancel "$job"
    ends_as "scancel while it trains" "CANCELLED *" 15
    nothing_is_left "no process of it is left"
    keeps_a_state "a state of it is kept"
}

# ---- main ----------------------------------------------------------------------------------------

# What an outer make, Slurm or MPI told this script is no news for the jobs.
forget_the_caller() {
    local name
    for name in $(compgen -e); do
        case $name in
        MAKE* | MFLAGS | NP | TESTS) unset "$name" ;;
        SLURM_* | SBATCH_* | OMPI_* | PMIX_* | PRTE_*) unset "$name" ;;
        esac
    done
}

networks_are_allowed() {
    unshare --net --uts --mount --propagation private -- \
        bash -c 'ip link add bridge0 type bridge && ip link add veth0 type veth peer name veth1' \
        >/dev/null 2>&1
}

# The objects come along with their times, so that little is compiled again.
copy_the_project() {
    mkdir "$project" "$elsewhere"
    tar -C "$source_tree" --exclude=./.git --exclude=./checkpoints --create . |
        tar -C "$project" --extract
}

test_one_node() {
    if start_cluster 1 4 4; then
        test_training_in_the_project
        test_bad_flag
        test_bad_number_of_ranks
        test_script_from_standard_input
        test_outside_of_the_project
        test_gpus_asked_for_on_a_node_without_drivers
        test_warned_job
        test_time_limit
        test_commands_that_keep_no_state
        test_plain_command_in_a_batch_shell
        test_tests_from_elsewhere
        test_failing_test
    fi
    stop_cluster
}

test_four_nodes() {
    if start_cluster 4 1 0; then
        test_training_across_nodes
        test_bad_flag_across_nodes
        test_killed_rank
        test_cancelled_job
    fi
    stop_cluster
}

forget_the_caller
if [[ $(id -u) != 0 ]]; then
    skip "hw6.sh on one node and on four: starting a Slurm takes root"
elif ! (cd "$source_tree" && tools/setup.sh slurm); then
    fail "the packages of Slurm are here; see above"
else
    copy_the_project
    test_by_hand
    test_without_googletest
    train_undisturbed
    if networks_are_allowed; then
        test_four_nodes
    else
        skip "hw6.sh on four nodes: this machine does not allow network namespaces"
    fi
    test_one_node
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit $((failed > 0))
