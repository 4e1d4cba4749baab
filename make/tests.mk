# tests.mk: the test programs, and what each goal of testing runs.
# Which program a test belongs to is in its file's name; all that no line takes are unit tests.
named        = $(patsubst %.cpp,%,$(wildcard $(addprefix tests/,$(addsuffix .cpp,$(1)))))
KERNEL_TESTS := $(call named,device/test_kernels* device/test_course* device/test_gpu_ladder*)
TRAIN_TESTS  := $(call named,train/test_train* comm/test_train* reduce/test_train*) tests/support/counted_new
CLI_TESTS    := $(call named,app/test_cli*)
RUNNER_TESTS := $(call named,gpuhost/test_*)
UNIT_TESTS   := $(filter-out $(KERNEL_TESTS) $(TRAIN_TESTS) $(CLI_TESTS) $(RUNNER_TESTS),$(call named,*/test_*))
# What a processor can make differ, numbers in files too; tests/qemu.sh runs them on others.
ARITHMETIC_TESTS := $(filter tests/base/% tests/input/test_mnist_reader tests/comm/% tests/device/% tests/model/% tests/reduce/% tests/train/%,$(filter-out tests/device/test_gpu_%,$(UNIT_TESTS)))
# The readers of files, and what fuzzes them.
FUZZED       := $(FILES) $(BASICS) $(filter-out tests/fuzz/fuzzer tests/fuzz/replay,$(call named,fuzz/*))

# Without a GPU all of CUDA's tests would be skipped; make gpu-check compiles them.
gpu-objects: $(if $(filter float,$(REAL)),$(KERNEL_TESTS:%=$(B)/cuda/%.o))
CUDA_TESTS   := $(if $(HAS_GPU),$(addprefix $(B)/tests/,kernel_tests_cuda train_tests_cuda))

# The tiers: what is run, in the words of tests/run.sh. A run belongs to one of test and check;
# test-quick is a choice for every edit.
#   what needs one core goes first, and side by side; the longest of them first
RUNS_QUICK ?= commands-few units kernels-small golden train-small:1 train-small:3 train-reduce:3
RUNS_TEST  := commands:1 commands:2 kernels:forward kills:5 planted-trainer:1 planted-kernels:one-of-each-kind units \
              make golden docs ab train-tiles:1 train-tiles:2 train:1 train-course:2 train:3 train:5 train-nodes:4 train-reduce:2 train-reduce:3 train-reduce:4 \
              $(if $(CUDA_TESTS),kernels-cuda $(patsubst %,train-cuda:%,1 2 3 5) nccl-cuda:2,skip:tests-on-CUDA)
RUNS_CHECK := planted-trainer:2 planted-trainer:3 planted-trainer:4 planted-kernels:the-others kills:50 goal:lint $(if $(NVCC),goal:gpu-check,skip:gpu-check) float-tsan/kernels-small float-asan/kernels-small \
              kernels:reverse kernels:random double/kernels-small double/units float-asan/corpus \
              goal:test-course goal:interop goal:browser goal:fuzz goal:test-qemu goal:bench-gpu-trial gpu-kit double/train-course:2 double/train:3 double/train-reduce:2 shards:16 \
              float-asan/train-small:2 float-tsan/train-small:2 goal:bench

# The aarch64 build has the same two (tests/qemu.sh).
QEMU_PROGRAMS := build/float/bench/main_no_mpi build/float/tests/unit_tests_no_mpi
TEST_PROGRAMS := main $(B)/main_gpuhost \
    $(addprefix $(B)/tests/,unit_tests cli_tests kernel_tests_gpuhost train_tests_gpuhost train_tests_tiles)
.PHONY: test-binaries check-binaries

test-quick: $(TEST_PROGRAMS)
	$(Q)tests/run.sh $(B) $(RUNS_QUICK)

test test-binaries: $(TEST_PROGRAMS) $(CUDA_TESTS)
test:
	$(Q)tests/run.sh $(B) $(RUNS_TEST)

# Its own objects in float, and those of the other configurations, each by a make of its own.
check: check-binaries
	$(Q)REQUIRE_INTEROP=1 FUZZ_SECONDS=$(or $(FUZZ_SECONDS),20) tests/run.sh build/float $(RUNS_CHECK)
check-binaries:  # also what its goals need, so that none builds while another does
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG= DEBUG=0 SANITIZE= $(TEST_PROGRAMS:$(B)/%=build/float/%) \
	    $(patsubst %,build/float/bench/%,gpu_bench_gpuhost gpu_model limits scaling_measure) build/float/main $(QEMU_PROGRAMS)
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG=-DUSE_DOUBLE DEBUG=0 SANITIZE= $(patsubst %,build/double/%,main main_gpuhost \
	    bench/gpu_bench_gpuhost bench/gpu_model $(patsubst %,tests/%,unit_tests kernel_tests_gpuhost train_tests_gpuhost))
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG= DEBUG=0 SANITIZE=asan $(patsubst %,build/float-asan/tests/%,\
	    kernel_tests_gpuhost train_tests_gpuhost fuzz_replay)
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG= DEBUG=0 SANITIZE=tsan $(patsubst %,build/float-tsan/tests/%,\
	    kernel_tests_gpuhost train_tests_gpuhost)
	$(Q)+$(MAKE) --no-print-directory grader-both

test-custom: $(B)/tests/train_tests_gpuhost  ## the course's largest training, which takes minutes
	$(Q). tests/mpi_env.sh && mpirun -np $(or $(NP),2) $< --gtest_also_run_disabled_tests --gtest_filter='*custom*'

interop: main
	$(Q)tests/interop/setup.sh
	$(Q)REQUIRE_INTEROP=1 build/interop/bin/python tests/interop/interop.py ./main

browser: main
	$(Q)tools/setup.sh browser
	$(Q)REQUIRE_INTEROP=1 python3 tests/browser/browser.py ./main $(ARGS)

test-qemu:
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG= DEBUG=0 SANITIZE= $(QEMU_PROGRAMS)
	$(Q)tests/qemu.sh

test-slurm: $(TEST_PROGRAMS)
	$(Q)tests/slurm/test_slurm.sh

# libFuzzer is clang's.
fuzz: | build/.setup-fuzz
	$(Q)+OMPI_CXX=clang++ MPICH_CXX=clang++ $(MAKE) --no-print-directory SANITIZE=fuzz CXX=clang++ CUDA=0 fuzz-programs
	$(Q)tests/fuzz/fuzz.sh $(B)-fuzz/tests/fuzzer $(B)-fuzz/tests/fuzz_replay $(ARGS)
fuzz-programs: $(B)/tests/fuzzer $(B)/tests/fuzz_replay

# What is optimised as in ./main comes first: of what a test has inline as well, the first is taken.
$(B)/main_gpuhost: $(B)/main.o $(COMMAND_LINE) $(OBJECTS) $(GPU_gpuhost) $(B)/host.flags | $(NCCL_gpuhost)
	$(call link,$(LIBS_gpuhost))
$(B)/tests/unit_tests: $(COMMAND_LINE) $(OBJECTS) $(WIDE_TABLE) $(GPU_absent) $(GPU_FIT:%=$(B)/%.o) $(UNIT_TESTS:%=$(B)/%.o)
	$(call link,-lgtest -lgtest_main)
# With a stand-in for MPI, as where there is none for the processor (tests/qemu.sh).
$(B)/tests/unit_tests_no_mpi: $(COMMAND_LINE) $(filter-out $(call objects_of,$(COMM)),$(OBJECTS)) \
        $(B)/src/comm/absent.o $(WIDE_TABLE) $(GPU_absent) $(ARITHMETIC_TESTS:%=$(B)/%.o)
	$(call link,-lgtest -lgtest_main)
$(B)/tests/fuzz_replay: $(FUZZED:%=$(B)/%.o) $(B)/tests/fuzz/replay.o
	$(call link)
$(B)/tests/fuzzer: $(FUZZED:%=$(B)/%.o) $(B)/tests/fuzz/fuzzer.o
	$(call link,-fsanitize=fuzzer)
$(B)/tests/cli_tests: $(CLI_TESTS:%=$(B)/%.o)
	$(call link,-lgtest -lgtest_main)
$(B)/tests/kernel_tests_gpuhost: $(OBJECTS) $(GPU_gpuhost) $(LADDER:%=$(B)/gpuhost/%.o) \
        $(KERNEL_TESTS:%=$(B)/gpuhost/%.o) $(RUNNER_TESTS:%=$(B)/gpuhost/%.o)
	$(call link,-lgtest -lgtest_main $(LIBS_gpuhost))
$(B)/tests/kernel_tests_cuda: $(OBJECTS) $(GPU_cuda) $(LADDER:%=$(B)/cuda/%.o) $(KERNEL_TESTS:%=$(B)/cuda/%.o)
	$(call link,-lgtest -lgtest_main $(LIBS_cuda))
$(B)/tests/train_tests_cuda: $(OBJECTS) $(GPU_cuda)
$(B)/tests/train_tests_gpuhost: $(OBJECTS) $(GPU_gpuhost) | $(NCCL_gpuhost)
# On every machine, tiles of plain loops in place of the processor's.
$(B)/tests/train_tests_tiles: $(filter-out $(B)/src/device/cpu/tiles_%,$(OBJECTS)) $(B)/tests/support/plain_tiles.o $(GPU_absent)
$(B)/tests/train_tests_%: $(TRAIN_TESTS:%=$(B)/%.o) $(B)/tests/support/mpi_main.o $(B)/src/app/report/comparison.o
	$(call link,-lgtest $(LIBS_$*))
