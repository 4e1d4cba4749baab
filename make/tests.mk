# tests.mk: the test programs, and what each goal of testing runs.
KERNEL_TESTS := $(patsubst %,tests/device/%,test_kernels test_kernels_gemm test_kernels_layer test_kernels_head test_gpu_ladder)
TRAIN_TESTS  := $(patsubst %,tests/train/%,test_train test_train_objectives test_train_devices) \
                tests/support/counted_new
CLI_TESTS    := $(patsubst %.cpp,%,$(wildcard tests/app/test_cli*.cpp))
RUNNER_TESTS := $(patsubst %,tests/gpuhost/%,test_threads test_undefined test_runtime test_streams test_replica)
UNIT_TESTS   := $(filter-out $(KERNEL_TESTS) $(TRAIN_TESTS) $(CLI_TESTS) $(RUNNER_TESTS),\
                  $(patsubst %.cpp,%,$(wildcard tests/*/test_*.cpp)))
# The readers of files, and what fuzzes them.
FUZZED       := $(FILES) $(BASE) $(patsubst %,tests/fuzz/%,targets model idx table picture)
TRAINING     := $(OBJECTS)

TESTS_QUICK  := main $(B)/main_gpuhost \
                $(addprefix $(B)/tests/,unit_tests cli_tests kernel_tests_gpuhost train_tests_gpuhost)
# Without a GPU all of them would be skipped; make gpu-check compiles them.
TESTS_CUDA   := $(if $(and $(NVCC),$(GPU_FOUND)),$(addprefix $(B)/tests/,kernel_tests_cuda train_tests_cuda))
.PHONY: test-binaries sanitized sanitized-asan sanitized-tsan fuzz-programs

test: test-binaries sanitized-asan sanitized-tsan
	$(Q)tests/run.sh full $(B)

test-quick: $(TESTS_QUICK)
	$(Q)tests/run.sh quick $(B)

test-custom: $(B)/tests/train_tests_gpuhost  ## the course's largest training, which takes minutes
	$(Q). tests/mpi_env.sh && mpirun -np $(or $(NP),2) $< --gtest_also_run_disabled_tests --gtest_filter='*custom*'

test-binaries: $(TESTS_QUICK) $(TESTS_CUDA)

sanitized-asan sanitized-tsan: sanitized-%:
	$(Q)+$(MAKE) --no-print-directory SANITIZE=$* sanitized
# The threads and the readers of files are the same in float and in double.
ONCE = $(filter float,$(REAL))
sanitized: $(B)/tests/kernel_tests_gpuhost \
           $(if $(ONCE)$(filter asan,$(SANITIZE)),$(B)/tests/train_tests_gpuhost) \
           $(if $(ONCE),$(if $(filter asan,$(SANITIZE)),$(B)/tests/fuzz_replay))

interop: main
	$(Q)tests/interop/setup.sh
	$(Q)REQUIRE_INTEROP=1 build/interop/bin/python tests/interop/interop.py ./main

test-slurm: $(TESTS_QUICK)
	$(Q)tests/slurm/test_slurm.sh

# libFuzzer is clang's.
fuzz:
	$(Q)+OMPI_CXX=clang++ MPICH_CXX=clang++ $(MAKE) --no-print-directory SANITIZE=fuzz CXX=clang++ CUDA=0 fuzz-programs
	$(Q)tests/fuzz/fuzz.sh $(B)-fuzz/tests/fuzzer $(B)-fuzz/tests/fuzz_replay $(ARGS)
fuzz-programs: $(B)/tests/fuzzer $(B)/tests/fuzz_replay

$(B)/main_gpuhost: $(B)/main.o $(COMMAND_LINE) $(OBJECTS) $(GPU_gpuhost) $(B)/host.flags
	$(call link,$(LIBS_gpuhost))
$(B)/tests/unit_tests: $(UNIT_TESTS:%=$(B)/%.o) $(COMMAND_LINE) $(OBJECTS) $(GPU_absent)
	$(call link,-lgtest -lgtest_main)
$(B)/tests/fuzz_replay: $(FUZZED:%=$(B)/%.o) $(B)/tests/fuzz/replay.o
	$(call link)
$(B)/tests/fuzzer: $(FUZZED:%=$(B)/%.o) $(B)/tests/fuzz/fuzzer.o
	$(call link,-fsanitize=fuzzer)
$(B)/tests/cli_tests: $(CLI_TESTS:%=$(B)/%.o)
	$(call link,-lgtest -lgtest_main)
$(B)/tests/kernel_tests_gpuhost: $(KERNEL_TESTS:%=$(B)/gpuhost/%.o) $(RUNNER_TESTS:%=$(B)/gpuhost/%.o) \
        $(B)/gpuhost/bench/gpu_ladder.o $(TRAINING) $(GPU_gpuhost)
	$(call link,-lgtest -lgtest_main $(LIBS_gpuhost))
$(B)/tests/kernel_tests_cuda: $(KERNEL_TESTS:%=$(B)/cuda/%.o) $(B)/cuda/bench/gpu_ladder.o \
        $(TRAINING) $(GPU_cuda)
	$(call link,-lgtest -lgtest_main $(LIBS_cuda))
$(B)/tests/train_tests_%: $(TRAIN_TESTS:%=$(B)/%.o) $(B)/tests/support/mpi_main.o $(TRAINING)
	$(call link,-lgtest $(LIBS_$*))
$(B)/tests/train_tests_cuda: $(GPU_cuda)
$(B)/tests/train_tests_gpuhost: $(GPU_gpuhost)
