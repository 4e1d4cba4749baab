#!/bin/bash
# trainer.sh [NUMBER... | SHARE/OF]: proves that the trainer's tests catch what a data-parallel trainer gets
# wrong, by planting each defect in a copy of the tree and requiring that its test fails there.
#
# A defect is a text that stands exactly once in its file, what replaces it, and the training tests
# that must see it, on so many ranks. Those tests have to pass on the tree as it is; the objects of
# build/float are taken over, so that only what a defect touches is compiled. Where the text moved or
# changed, change it in the table below. JOBS defects (one a core) are tried at a time.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/mpi_env.sh
unset MAKEFLAGS MAKELEVEL MFLAGS
export GPUHOST_CAPABILITY=90 GPUHOST_DEVICES=8 GTEST_COLOR=no

tree=$PWD program=build/float/tests/train_tests_gpuhost
jobs=${JOBS:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

what=() file=() from=() to=() ranks=() tests=()
defect() { # WHAT FILE FROM TO RANKS TESTS
    what+=("$1") file+=("$2") from+=("$3") to+=("$4") ranks+=("$5") tests+=("$6")
}
defect "the penalty counted once a rank" neural_network.cpp \
    'const Update update = schedule.update(state.epoch, state.step);' \
    'Update update = schedule.update(state.epoch, state.step);
    update.reg *= static_cast<nn_real>(comm_.size());' \
    2 'On/Train.small_runs_count_a_large_penalty_once*'
defect "a gradient scaled by the rank's own number of samples" neural_network.cpp \
    'static_cast<nn_real>(batch_.of), Want::gradient);' \
    'static_cast<nn_real>(std::max(1, batch_.of / comm_.size())), Want::gradient);' \
    2 'On/Train.small_shuffled_order_matches_the_reference*'
defect "an uneven shard off by one" src/train/feed.cpp \
    'return {mine.first - first,' \
    'return {mine.first - first - (mine.first > mine.count),' \
    3 'On/Train.small_batches_of_any_size*'
defect "a sum over the ranks that misses the last bias" src/reduce/mpi.cpp \
    'group_.sum(values);' \
    'group_.sum(values.first(values.size() - 1));' \
    2 'On/Train.small_last_batch_of_one_image*'
defect "a bias that stays as it was" src/device/cpu/replica.cpp \
    'f_.bias_gradient(layer(l), shard_.batch, vectors,' \
    'f_.bias_gradient(layer(l), shard_.batch, Range{0, 0},' \
    1 'On/Step.of_9_4_10*'
defect "a penalty on the biases" src/device/cpu/elementwise.h \
    'without_penalty.update.reg = 0;' \
    '' \
    1 'On/Train.small_runs_count_a_large_penalty_once*'
defect "a missing wait for a part of the gradient" src/reduce/part_by_part.h \
    'lent.ready->wait();' \
    '' \
    2 'MpiReducer.small_part_is_waited_for*:On/Step.of_9_4_10*'
defect "a ring that begins a sum at another rank, which changes the last bits" src/reduce/ring.cpp \
    '(c + ranks) % ranks' \
    '(c + 1 + ranks) % ranks' \
    3 'RingReducer.has_the_bits*'
defect "a residual that is lost" src/reduce/compressed.cpp \
    'residual[i] = values[i] + residual[i];' \
    'residual[i] = values[i];' \
    2 'Compressed.sums_and_residuals*'
defect "a resume that gives every rank the residual of rank 0" src/train/residuals.cpp \
    'messages.send(residuals[static_cast<std::size_t>(rank)].values, rank);' \
    'messages.send(residuals.front().values, rank);' \
    2 'Compressed.residuals_come_back*'
defect "a missing wait for the samples of a mini-batch" src/comm/scatter.cpp \
    'MPI_CHECK(MPI_Wait(&state_->request, MPI_STATUS_IGNORE));' \
    '' \
    2 'Scatters.small_finish_waits*'
defect "a barrier of a node that each rank passes alone" src/comm/node_memory.cpp \
    'new (barrier_) Barrier(waiters);' \
    'new (barrier_) Barrier(1);' \
    3 'Shared.small_memory_of_every_rank*'
defect "gradients that do not wait for the deltas of other workers" src/device/cpu/replica.cpp \
    'backward_deltas(layout_, OnThread{*this, t});
        meet(t);' \
    'backward_deltas(layout_, OnThread{*this, t});' \
    3 'On/CpuTrain.gives_as_one_replica*'
defect "a step that does not wait for the weights of other workers" src/device/cpu/replica.cpp \
    'backward_gradients(layout_, OnThread{*this, t});
            meet(t);' \
    'backward_gradients(layout_, OnThread{*this, t});' \
    3 'On/CpuTrain.gives_as_one_replica*'
defect "a group of samples that the gradient forgets" src/device/cpu/sparse.h \
    'const int groups = std::max(1, ceil_div(n, mask_bits));' \
    'const int groups = std::max(1, n / mask_bits);' \
    1 'On/CpuTrain.gives_the_same_bits_twice*'
defect "weights that do not decay where no sample has their input" src/device/cpu/sparse.h \
    'first && last && finish.passes_over_zero()' \
    'first && last' \
    1 'On/Train.small_runs_count_a_large_penalty_once*'
defect "a resume that forgets the order's state" neural_network.cpp \
    'sample_order(count, state.epoch, training)' \
    'sample_order(count, state.step == 0 ? state.epoch : 0, training)' \
    2 'On/Train.run_stopped_at_any_step*'
defect "a rate that does not decay" neural_network.cpp \
    'const Update update = schedule.update(state.epoch, state.step);' \
    'const Update update = schedule.update(0, state.step);' \
    1 'On/Train.small_batches_of_any_size*'
defect "a small penalty counted twice, which only a step shows" neural_network.cpp \
    'const Update update = schedule.update(state.epoch, state.step);' \
    'Update update = schedule.update(state.epoch, state.step);
    update.reg *= 2;' \
    1 'On/Steps.small_penalty_of_1e_4_is_within_rounding*'
defect "another activation than the network's, on the CPU" src/device/cpu/replica.cpp \
    'f_.hidden_by(shape().activation)' \
    'f_.hidden_by(Activation{})' \
    1 'On/Activations.small_runs_on_numbers*'
defect "another activation's slope below the head" src/device/gpu/replica.cu \
    '.below = shape().activation' \
    '.below = {}' \
    1 'On/Activations.small_runs_on_numbers*'
defect "slices that replace each other" src/train/slices.cpp \
    'if (slice.is_first)' \
    'if (slice.is_first || slice.is_last)' \
    1 'On/Slices.small_give*'
defect "trees of leaves added in the order of their arrival" src/train/fixed_order.cpp \
    'std::ranges::sort(trees, {}, [](const Addend& tree) { return tree.leaves.first; });' \
    'for (std::size_t i = 1; i < trees.size(); ++i) add_to(trees[0].values, trees[i].values);
    return trees[0].values;' \
    3 'FixedOrder.small_gives_the_bits_of_one_rank*'
defect "leaves added one after the other, not as a tree" src/device/cpu/leaves.h \
    'while (depth > 0 && level[depth - 1] < meet) add(--depth);' \
    'while (depth > 0) add(--depth);' \
    1 'FixedOrder.small_gradient_adds_leaves*'
defect "a mean that leaves out one replica" src/train/local.cpp \
    'network.comm().all_ranks().sum(mean);' \
    'if (network.comm().rank() == 1) std::ranges::fill(mean, nn_real{0});
            network.comm().all_ranks().sum(mean);' \
    2 'Local.small_is_the_serial_models*'
defect "a last bucket that nobody sums" src/reduce/overlap.cpp \
    'Sum finish() override {
        const Working working(*this);
        if (!open_.empty()) start_bucket();' \
    'Sum finish() override {
        const Working working(*this);' \
    2 'OverlappedReducer.finishes_a_part*:OverlappedReducer.has_the_bits*'
defect "a sum by NCCL that does not wait for its part" src/device/gpu/nccl.cu \
    'wait_for(stream_, dynamic_cast<const EventReady&>(*lent.ready).event);' \
    '(void)dynamic_cast<const EventReady&>(*lent.ready);' \
    2 'Nccl.small_trains*'
defect "an update that does not wait for its sum by NCCL" src/reduce/nccl.cpp \
    'sums_->wait_for_oldest();' \
    '' \
    2 'Nccl.small_trains*'
defect "an asynchronous update that is not shared out over the ranks" src/train/async.cpp \
    'changed_[i] = (changed_[i] - values_[i]) / share;' \
    'changed_[i] = changed_[i] - values_[i] + 0 * share;' \
    2 'Async.small_is_the_serial_model*'
defect "a gradient that keeps its loss scale" src/train/unscale.cpp \
    'unscaled_[at + i] = sum.values[i] * inverse;' \
    'unscaled_[at + i] = sum.values[i] + 0 * inverse;' \
    1 'On/SmallOperands.small_steps_with_a_loss_scale*'
defect "an update by a gradient that is not finite" src/train/unscale.cpp \
    'if (!loss_scale_.takes(comm_.all(is_finite))) return;' \
    'loss_scale_.takes(comm_.all(is_finite));' \
    1 'On/SmallOperands.small_gradients_beyond_fp16*'
defect "a GPU's activations that stay whole with small operands" src/device/gpu/replica.cu \
    'round(l, hidden(l).activations);' \
    '' \
    1 'OnCuda/SmallOperands.small_gradients_of_one_sample*'
defect "a GPU's deltas by whole weights with small operands" src/device/gpu/replica.cu \
    'factors(l + 1)' \
    'weights(l + 1)' \
    1 'OnCuda/SmallOperands.small_gradients_are_those*'
defect "a lone GPU's gradient that is read before it is there" neural_network.cpp \
    'if (lent.ready != nullptr) lent.ready->wait();  // update() reads it' \
    '' \
    1 'OnCuda/SmallOperands.small_steps_with_a_loss_scale*'
defect "ranks that are never compared" neural_network.cpp \
    'if (!has_copies()) return;' \
    'if (has_copies()) return;' \
    2 'Drift.*'

# A defect in what is compiled once a set of instructions is tried with the set that runs here.
runs_here=baseline
case $(grep -m1 '^flags' /proc/cpuinfo || true) in
*avx512vl*) runs_here=avx512 ;;
*avx2*) runs_here=avx2 ;;
esac
as_they_are=()
for isa in baseline avx2 avx512 wide; do
    [[ $isa == "$runs_here" ]] || as_they_are+=(-o "build/float/src/device/cpu/table.$isa.o")
done

run_tests() { # TREE I
    (cd "$1" && timeout 120 mpirun -np "${ranks[$2]}" "$program" --gtest_filter="${tests[$2]}") </dev/null
}
# The tests on the tree as it is; then the tree with defect I.
try() { # I
    local i=$1 copy=$work/$1 text after verdict=PASS
    run_tests "$tree" "$i" >"$work/$i.log" 2>&1 || verdict="FAIL (its tests fail without it)"
    grep -q '^\[       OK \]' "$work/$i.log" || verdict="FAIL (no test is called ${tests[$i]})"
    text=$(<"${file[$i]}")
    after=${text#*"${from[$i]}"}
    if [[ $after == "$text" || $after == *"${from[$i]}"* ]]; then
        verdict="FAIL ('${from[$i]}' has to stand there exactly once: adapt tests/planted/trainer.sh)"
    fi
    if [[ $verdict == PASS ]]; then
        mkdir "$copy" && cp -a "$work/tree/." "$copy/"
        printf '%s\n' "${text%%"${from[$i]}"*}${to[$i]}$after" >"$copy/${file[$i]}"
        if ! make -s -j1 "${as_they_are[@]}" -C "$copy" "$program" >"$work/$i.log" 2>&1; then
            verdict="FAIL (it does not compile)"
        elif run_tests "$copy" "$i" >"$work/$i.log" 2>&1; then
            verdict="FAIL (not caught by ${tests[$i]})"
        elif ! grep -qE '^\[  FAILED  \]|RANK [0-9]+ \]' "$work/$i.log"; then
            verdict="FAIL (the tests broke off, but did not fail)"
        fi
        rm -rf "$copy"
    fi
    printf '%s  %s, in %s, on %d ranks\n' "$verdict" "${what[$i]}" "${file[$i]}" "${ranks[$i]}"
    [[ $verdict == PASS ]] || tail -n 15 "$work/$i.log" | sed 's/^/     | /'
}

make -s "$program"
# Sources, and the objects that the program is made of; the data is linked.
mkdir "$work/tree"
tar -c --exclude=./data --exclude=./.git --exclude=./build --exclude=./main --exclude=./bench/results . |
    tar -C "$work/tree" -x
tar -c --exclude='*_tests' --exclude='*_tests_gpuhost' --exclude=build/float/main --exclude=build/float/grader build/.setup-* build/float |
    tar -C "$work/tree" -x
ln -s "$tree/data" "$work/tree/data"

share=${1:-1/1}
case $share in
*/*) mapfile -t chosen < <(seq $((${share%/*} - 1)) "${share#*/}" $((${#what[@]} - 1))) ;;
*) chosen=("$@") ;;
esac
for i in "${chosen[@]}"; do
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
    try "$i" >"$work/verdict.$i" 2>&1 &
done
wait
cat "$work"/verdict.*
failed=$(cat "$work"/verdict.* | grep -c '^FAIL' || true)
passed=$(cat "$work"/verdict.* | grep -c '^PASS' || true)
[[ $((passed + failed)) == "${#chosen[@]}" ]] || failed=$((failed + 1)) # one broke off
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
