# Makefile: builds ./main and the tests, for every machine with mpicxx; with nvcc, for GPUs too.
#
#   *.cpp ---------------------- mpicxx -----------------------------+
#   cpu_func.cpp, cpu_gemm_eigen.cpp - g++, once an instruction set -+--> ./main, tests
#   one GPU back end of three:                                       |
#     cuda     gpu_*.cu -------- nvcc -------------------------------+    for GPUs
#     absent   gpu_absent.cpp -- mpicxx -----------------------------+    where there is no nvcc
#     gpuhost  gpu_*.cu -------- g++ and tests/gpuhost --------------+--> main_gpuhost, tests alone
#
# Each configuration (float or double, debug, sanitizer) has its own folder of objects, $(B), so two
# of them never mix. What was found and every flag is kept in $(B)/*.flags, written only when it
# changes; all that is built from those flags depends on that file.

# ---- what is built from what ---------------------------------------------------------------------
TRAINER      := comm cores neural_network mnist_reader whole_file cpu_replica cpu_isa gpu_plan judge
FILES        := table_reader image_reader model_file checkpoint
# The products on the CPU: in float on x86-64 oneDNN and bf16 tiles, otherwise Eigen.
X86_64       := $(filter x86_64-%,$(shell $(CXX) -dumpmachine))
GEMM_onednn  := cpu_gemm_onednn cpu_bf16x3.tiles
GEMM_eigen   := cpu_gemm_by_isa cpu_bf16x3_absent
EACH_ISA_onednn := cpu_func
EACH_ISA_eigen  := cpu_func cpu_gemm_eigen
PROGRAM      := $(patsubst %.cpp,%,$(wildcard app/*.cpp))
# The kernels and what uses them; bf16x3 is a way to multiply floats.
GPU_FILES     = gpu_func gpu_head gpu_gemm $(if $(filter float,$(REAL)),gpu_bf16x3) gpu_replica \
                gpu_gemm_timing
CUDA_FILES    = $(GPU_FILES) gpu_cublas
RUNNER_FILES := gpuhost gpuhost_runtime
KERNEL_TESTS := test_kernels test_kernels_gemm test_kernels_head test_gpu_ladder
TRAIN_TESTS  := test_train test_train_objectives test_train_devices counted_new
CLI_TESTS    := test_cli test_cli_refusals test_cli_files test_cli_gpuhost
RUNNER_TESTS := test_threads test_undefined test_runtime test_replica
UNIT_TESTS   := $(filter-out $(KERNEL_TESTS) $(TRAIN_TESTS) $(CLI_TESTS),\
                  $(patsubst tests/%.cpp,%,$(wildcard tests/test_*.cpp)))

# ---- what the user chooses -----------------------------------------------------------------------
CUDA        ?= auto
DOUBLE_FLAG ?=
DEBUG       ?= 0
VERBOSE     ?= 0
SANITIZE    ?=
MPICXX      ?= mpicxx

REAL := $(if $(findstring -DUSE_DOUBLE,$(DOUBLE_FLAG)),double,float)
B    := build/$(REAL)$(if $(filter 1,$(DEBUG)),-debug)$(if $(SANITIZE),-$(SANITIZE))
GEMM := $(if $(filter float,$(REAL)),$(if $(X86_64),onednn,eigen),eigen)
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_tsan := -fsanitize=thread
SAN_fuzz := $(SAN_asan) -fsanitize=fuzzer-no-link -Wno-sign-conversion
TOLD_asan := -DGPUHOST_ASAN
TOLD_tsan := -DGPUHOST_TSAN
SAN      := $(if $(SANITIZE),$(or $(SAN_$(SANITIZE)),$(error SANITIZE=$(SANITIZE): say asan, tsan or fuzz)))

MAKEFLAGS += --no-builtin-rules
# As many jobs as processors, unless the user says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
Q := $(if $(filter 1,$(VERBOSE)),,@)
show = @printf '  %-12s %s\n'

# ---- what is missing is installed, or named ------------------------------------------------------
GOALS    := $(or $(MAKECMDGOALS),main)
BUILDING := $(filter-out help clean format,$(GOALS))
ifeq ($(MAKELEVEL),0)
NEEDS := $(if $(BUILDING),build) $(if $(filter bench bench-peers scaling,$(GOALS)),bench) \
         $(if $(filter test test-quick test-custom test-binaries test-slurm,$(GOALS)),test) \
         $(if $(filter lint,$(GOALS)),lint) $(if $(filter fuzz,$(GOALS)),fuzz)
ifneq ($(strip $(NEEDS)),)
ifneq ($(shell ./setup.sh $(NEEDS) >&2 && echo ready),ready)
$(error not everything that is needed is here; see above)
endif
endif
endif

# ---- what is found -------------------------------------------------------------------------------
MPI := $(shell mpirun --version 2>/dev/null | head -n 1)
EIGEN_PLACES := $(patsubst -I%,%,$(shell pkg-config --cflags-only-I eigen3 2>/dev/null)) \
    $(addsuffix /eigen3,$(subst :, ,$(CPATH)) /usr/local/include /usr/include)
EIGEN := $(firstword $(patsubst %/Eigen/Core,%,$(wildcard $(addsuffix /Eigen/Core,$(EIGEN_PLACES)))))

NVCC := $(if $(filter-out 0,$(CUDA)),$(firstword $(shell command -v nvcc) \
          $(wildcard $(addsuffix /bin/nvcc,$(CUDA_HOME) /usr/local/cuda))))
ifeq ($(CUDA)$(NVCC),1)
$(error CUDA=1, but there is no nvcc on the PATH, in CUDA_HOME or in /usr/local/cuda: \
        install the CUDA Toolkit (on a cluster: module load cuda), or leave CUDA=1 out)
endif
BACKEND := $(if $(NVCC),cuda,absent)
ifdef NVCC
NVCC_VERSION := $(lastword $(shell $(NVCC) --version | grep -o 'V[0-9.]*'))
NVCC_LIBS := $(shell $(NVCC) --dryrun -x cu /dev/null 2>&1 | sed -n 's/.*LIBRARIES=//p' | tr -d '"')
NVCC_KNOWS := $(patsubst sm_%,%,$(shell $(NVCC) --list-gpu-code))
# Machine code for 8.0 runs on 8.6 and 8.9 too, and newer GPUs take the PTX.
EVERY_ARCH ?= $(filter 75 80 90,$(NVCC_KNOWS))
CHECKED_ARCHS := $(filter 75 80 86 90 100 120,$(NVCC_KNOWS))
# The GPUs' own architectures are asked for once, not again by each make inside this one.
ifeq ($(MAKELEVEL),0)
GPU_FOUND := $(sort $(subst .,,$(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | grep -xE '[0-9]+\.[0-9]+')))
export GPU_FOUND
endif
GPU_ARCHS := $(or $(filter $(GPU_FOUND),$(NVCC_KNOWS)),$(EVERY_ARCH))
GENCODE := $(foreach a,$(GPU_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
    $(foreach a,$(lastword $(GPU_ARCHS)),-gencode arch=compute_$(a),code=compute_$(a))
endif

ifeq ($(MAKELEVEL)$(if $(BUILDING),,none),0)
$(info # type     $(REAL)$(if $(filter 1,$(DEBUG)), debug))
$(info # MPI      $(or $(MPI),mpirun not found; $(MPICXX) builds, but nothing can run))
$(info # CPU      GEMM by $(if $(filter onednn,$(GEMM)),oneDNN and bf16 tiles,Eigen$(if $(EIGEN), in $(EIGEN))))
$(info # CUDA     $(if $(NVCC),$(NVCC_VERSION) ($(NVCC)) for sm $(GPU_ARCHS) and PTX,$(if \
    $(filter 0,$(CUDA)),not wanted (CUDA=0),no nvcc on the PATH or under CUDA_HOME or \
    /usr/local/cuda): trains on the CPU alone))
$(if $(NVCC),$(info # GPU      $(if $(GPU_FOUND),compute capability $(GPU_FOUND),none here: \
    ./main takes the CPU here and a GPU where there is one)))
endif

# ---- flags ---------------------------------------------------------------------------------------
# No fast-math and no contraction: host results depend on the program alone, not on the compiler.
# Open MPI's and MPICH's old C++ bindings are not used; without them their headers do not warn.
# Line numbers, for traces, are all that is kept of names: the rest takes a third of the time.
# Sanitized code takes twice as long to compile, half of it for the optimiser's second half.
OPTIMISE := $(if $(filter 1,$(DEBUG)),-O0 -D_GLIBCXX_ASSERTIONS,$(if $(filter asan tsan,$(SANITIZE)),-O1,-O2))
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
HOST     := -std=c++20 $(if $(filter 1,$(DEBUG)),-g,-g1) $(OPTIMISE) $(WARN) -ffp-contract=off $(DOUBLE_FLAG) $(SAN) -I. -MMD -MP
MPI_HOST := $(HOST) -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX
NVCC_HOST_WARN := -Wall,-Wextra,-Wshadow,-ffp-contract=off
# With REPORT=1, an object's registers and shared memory go to a .log beside it.
NVCC_FLAGS := -std=c++20 -ccbin $(CXX) $(GENCODE) $(if $(REPORT),-Xptxas -v,-t 2) -Werror all-warnings \
    $(if $(filter 1,$(DEBUG)),-O0 -g -G -D_GLIBCXX_ASSERTIONS,-O2 -lineinfo) -Xcompiler=$(NVCC_HOST_WARN) \
    $(DOUBLE_FLAG) -I. -MMD -MP
# The .cu files are C++ to g++, which knows none of nvcc's pragmas.
GPUHOST  := $(HOST) -Itests/gpuhost -Wno-unknown-pragmas

# The CPU's arithmetic is compiled once for each instruction set; the program takes the best one
# that the processor has. Sanitizers and debuggers need one alone.
ISAS := baseline $(if $(filter 1,$(DEBUG))$(SANITIZE),,$(if $(X86_64),avx2 avx512))
ISA_avx2   := -mavx2 -mfma
# GCC 12's own AVX-512 header reads a variable before it is set, as it means to, and warns of it.
ISA_avx512 := -march=x86-64-v4 -mprefer-vector-width=512 -Wno-uninitialized -Wno-maybe-uninitialized
# Each set's code differs from the others' in rounding anyway, so here a b + c may be rounded once.
CPU_FLAGS  := $(filter-out -O2 -ffp-contract=off,$(HOST)) $(if $(filter 1,$(DEBUG)),,-O3) -ffp-contract=fast \
    -Wno-psabi $(addprefix -isystem ,$(EIGEN))
MPI_HOST   += $(if $(filter avx512,$(ISAS)),-DCPU_HAS_X86_ISAS)

LIBS         := -lz -lpng -ldl -lpthread $(if $(filter onednn,$(GEMM)),-ldnnl -lgomp)
LIBS_cuda    := $(filter-out %/stubs,$(NVCC_LIBS)) -lcudart_static -lrt \
    $(patsubst -L%,-Xlinker -rpath=%,$(filter-out %/stubs,$(NVCC_LIBS)))
LIBS_gpuhost := -lboost_context

# ---- objects -------------------------------------------------------------------------------------
COMMAND_LINE := $(PROGRAM:%=$(B)/%.o)
TRAINING     := $(patsubst %,$(B)/%.o,$(TRAINER) $(GEMM_$(GEMM))) \
                $(foreach isa,$(ISAS),$(EACH_ISA_$(GEMM):%=$(B)/%.$(isa).o))
OBJECTS      := $(TRAINING) $(FILES:%=$(B)/%.o)
GPU_cuda     := $(CUDA_FILES:%=$(B)/cuda/%.o)
GPU_absent   := $(B)/gpu_absent.o
RUNNER       := $(RUNNER_FILES:%=$(B)/gpuhost/tests/gpuhost/%.o)
GPU_gpuhost  := $(GPU_FILES:%=$(B)/gpuhost/%.o) $(B)/gpuhost/tests/gpuhost/no_cublas.o $(RUNNER)
# The readers of files, and what fuzzes them.
FUZZED       := mnist_reader table_reader image_reader model_file whole_file \
                $(addprefix tests/fuzz/,targets model idx table picture)
# The GPU's benchmark, which needs neither MPI nor a network.
GPU_BENCH    := gpu_bench gpu_contest gpu_problem gpu_steps gpu_ladder
TESTS_QUICK  := main $(B)/main_gpuhost \
                $(addprefix $(B)/tests/,unit_tests cli_tests kernel_tests_gpuhost train_tests_gpuhost)
# Without a GPU all of them would be skipped; make gpu-check compiles them.
TESTS_CUDA   := $(if $(and $(NVCC),$(GPU_FOUND)),$(addprefix $(B)/tests/,kernel_tests_cuda train_tests_cuda))

# ---- targets -------------------------------------------------------------------------------------
.PHONY: run test test-quick test-custom test-binaries test-slurm sanitized bench bench-programs \
        interop bench-peers bench-gpu bench-gpu-trial scaling gpu-objects gpu-check lint fuzz fuzz-programs \
        format clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := main

main $(B)/main: $(B)/main.o $(COMMAND_LINE) $(OBJECTS) $(GPU_$(BACKEND)) build/main.flags
	$(call link,$(LIBS_$(BACKEND)))
main:  ## builds ./main (DOUBLE_FLAG=-DUSE_DOUBLE: in double)

run: main  ## trains on MNIST (NP=2 ranks, ARGS="flags of ./main")
	$(Q). tests/mpi_env.sh && mpirun -np $(or $(NP),2) ./main $(ARGS)

test: test-binaries sanitized-asan sanitized-tsan  ## every test (NP=3: on 3 ranks alone)
	$(Q)tests/run.sh full $(B)

test-quick: $(TESTS_QUICK)  ## the short tests, under 2 minutes
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

interop: main  ## installs PyTorch in build/interop and exchanges files with it and with NumPy
	$(Q)tests/interop/setup.sh
	$(Q)REQUIRE_INTEROP=1 build/interop/bin/python tests/interop/interop.py ./main

test-slurm: $(TESTS_QUICK)  ## hw6.sh on a real Slurm, started on this machine
	$(Q)tests/slurm/test_slurm.sh

# libFuzzer is clang's.
fuzz:  ## fuzzes the readers of files (FUZZ_SECONDS=600 of each, ARGS="model idx" alone)
	$(Q)+OMPI_CXX=clang++ MPICH_CXX=clang++ $(MAKE) --no-print-directory SANITIZE=fuzz CXX=clang++ CUDA=0 fuzz-programs
	$(Q)tests/fuzz/fuzz.sh $(B)-fuzz/tests/fuzzer $(B)-fuzz/tests/fuzz_replay $(ARGS)
fuzz-programs: $(B)/tests/fuzzer $(B)/tests/fuzz_replay

# Both types, and what bench/ measures with.
bench-programs:
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG= build/float/main \
	    $(addprefix build/float/bench/,limits scaling_measure main_no_mpi)
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG=-DUSE_DOUBLE build/double/main

bench: bench-programs  ## speed on the CPU, beside every peer that is installed (ARGS="--quick")
	$(Q)python3 -B bench/bench.py --main-float build/float/main --main-double build/double/main \
	    --main-no-mpi build/float/bench/main_no_mpi --limits build/float/bench/limits $(ARGS)

bench-gpu: BENCH := gpu_bench
bench-gpu-trial: BENCH := gpu_bench_gpuhost
bench-gpu bench-gpu-trial:
	$(Q)+for t in float double; do $(MAKE) --no-print-directory \
	    DOUBLE_FLAG=$$([ $$t = float ] || echo -DUSE_DOUBLE) \
	    $(if $(filter gpu_bench,$(BENCH)),CUDA=1) build/$$t/bench/$(BENCH) build/$$t/bench/gpu_model || exit; done
	$(Q)$(if $(filter gpu_bench,$(BENCH)),,GPUHOST_CAPABILITY=90) python3 -B bench/gpu_report.py \
	    --bench $(foreach t,float double,build/$(t)/bench/$(BENCH)) \
	    --model $(foreach t,float double,build/$(t)/bench/gpu_model) \
	    $(if $(filter gpu_bench,$(BENCH)),,--trial --out build/bench-gpu-trial) $(ARGS)
bench-gpu:  ## speed of the kernels on a GPU, beside cuBLAS and PyTorch, to bench/results/
bench-gpu-trial:  ## tries that benchmark on the kernel runner, at tiny sizes: its times mean nothing

bench-peers:  ## installs the peers (PyTorch, NumPy, scikit-learn) in build/peers: several GB
	$(Q)bench/peers/setup.sh

scaling: bench-programs  ## the cost of a step as ranks grow, and what it says of 10,000 nodes
	$(Q)python3 -B bench/scaling.py $(ARGS)

# A GEMM kernel that does not fit its registers would be right, only several times slower.
gpu-check:  ## the kernels for every architecture, all warnings as errors; build/gpu-check/kernels.txt
	$(Q)tests/ptxas_table.py --self-test
	$(Q)+for double in "" -DUSE_DOUBLE; do $(MAKE) --no-print-directory CUDA=1 GPU_FOUND= \
	    EVERY_ARCH="$(CHECKED_ARCHS)" REPORT=1 DOUBLE_FLAG=$$double \
	    B=build/gpu-check/$$([ -z "$$double" ] && echo float || echo double) gpu-objects || exit; done
	$(Q)tests/ptxas_table.py --out build/gpu-check/kernels.txt \
	    $$(for log in build/gpu-check/float/cuda/*.log; do echo float=$$log; done) \
	    $$(for log in build/gpu-check/double/cuda/*.log; do echo double=$$log; done)
gpu-objects: $(patsubst %,$(B)/cuda/%.o,$(filter-out gpu_replica gpu_gemm_timing gpu_cublas,$(CUDA_FILES)) \
             $(KERNEL_TESTS:%=tests/%))

SOURCES := $(wildcard *.cpp *.h *.cu app/*.cpp app/*.h bench/*.cpp bench/*.cu bench/*.h tests/*.cpp tests/*.h tests/gpuhost/*.cpp tests/gpuhost/*.h tests/fuzz/*.cpp tests/fuzz/*.h)
SCRIPTS := $(wildcard *.sh tests/*.sh tests/*/*.sh .ci/run)
TIDY := -std=c++20 -I. $(patsubst -I%,-isystem %,$(filter -I%,$(shell $(MPICXX) -show))) \
    $(addprefix -isystem ,$(EIGEN)) -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX -DCPU_ISA=baseline
# Neither reads CUDA. cppcheck takes a loop over all elements for one that may not run: hence two
# suppressions.
lint:  ## clang-format, shellcheck, cppcheck and clang-tidy
	clang-format --dry-run -Werror $(SOURCES)
	shellcheck -x $(SCRIPTS)
	cppcheck --quiet --std=c++20 --enable=warning,performance,portability --suppress=uninitMemberVar \
	    --suppress=invalidFunctionArg --inline-suppr --error-exitcode=1 -I. $(wildcard *.cpp app/*.cpp)
	printf "%s\n" $(wildcard *.cpp app/*.cpp) | xargs -P $$(nproc) -I FILE clang-tidy --quiet FILE -- $(TIDY)

format:  ## formats every source
	clang-format -i $(SOURCES)

clean:  ## removes all that was built
	rm -rf build main

help:  ## says what make can do
	@sed -n 's/^\([a-z-]*\):.*## */  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'
	@echo "  with any of them: DOUBLE_FLAG=-DUSE_DOUBLE, CUDA=0 (no nvcc), DEBUG=1, VERBOSE=1"

# ---- rules ---------------------------------------------------------------------------------------
define link
$(show) LINK $@
$(Q)mkdir -p $(@D) && $(MPICXX) $(SAN) -o $@ $(filter %.o,$^) $(LDFLAGS) $(1) $(LIBS)
endef
define compile
$(show) '$(1)' $<
$(Q)mkdir -p $(@D) && $(2) -c -o $@ $<
endef

$(B)/%.o: %.cpp $(B)/host.flags
	$(call compile,MPICXX,$(MPICXX) $(MPI_HOST))

define each_isa
$(B)/%.$(1).o: %.cpp $(B)/host.flags
	$$(call compile,CXX $(1),$$(CXX) $$(CPU_FLAGS) $$(ISA_$(1)) -DCPU_ISA=$(1) -DEigen=Eigen_$(1))
	$(if $(ISA_$(1)),$$(Q)$$(call own_code_alone,$(1)))
endef
$(foreach isa,$(ISAS),$(eval $(call each_isa,$(isa))))
# The tiles need AVX-512 and, at run time, AMX. Unoptimised, the header's functions would be shared.
$(B)/cpu_bf16x3.tiles.o: cpu_bf16x3.cpp $(B)/host.flags
	$(call compile,CXX amx,$(CXX) $(CPU_FLAGS) $(if $(filter 1,$(DEBUG)),-O1) $(ISA_avx512))
	$(Q)$(call own_code_alone,amx)
# An inline function of std:: compiled here for AVX could be the copy that the linker keeps for the
# whole program, which would then crash on a processor without AVX. So there may be none.
define own_code_alone
nm -C $@ | awk '$$2 == "W" && !/$(1)/ { print "$@ has code that is not $(1) alone:", $$0; bad = 1 } END { exit bad }' >&2
endef

$(B)/cuda/%.o: %.cu $(B)/cuda.flags
	$(call compile,NVCC,$(NVCC) $(NVCC_FLAGS)) $(if $(REPORT),2>$@.log || { cat $@.log >&2; exit 1; })
# Tests launch kernels that others hold, and have none themselves: one architecture is enough.
$(B)/cuda/%.o: %.cpp $(B)/cuda.flags
	$(call compile,NVCC,$(NVCC) $(filter-out $(GENCODE) -Xptxas -v,$(NVCC_FLAGS)) -arch=sm_$(firstword $(GPU_ARCHS)) -x cu)

$(B)/gpuhost/%.o: %.cu $(B)/host.flags
	$(call compile,GPUHOST,$(CXX) $(GPUHOST) -x c++)
$(B)/gpuhost/%.o: %.cpp $(B)/host.flags
	$(call compile,GPUHOST,$(CXX) $(GPUHOST))
# The runner itself is never sanitized: it moves between stacks, and tells the sanitizer of each move.
$(RUNNER): $(B)/gpuhost/%.o: %.cpp $(B)/host.flags
	$(call compile,GPUHOST,$(CXX) $(filter-out $(SAN),$(GPUHOST)) $(TOLD_$(SANITIZE)))

$(B)/main_gpuhost: $(B)/main.o $(COMMAND_LINE) $(OBJECTS) $(GPU_gpuhost) $(B)/host.flags
	$(call link,$(LIBS_gpuhost))
$(B)/tests/unit_tests: $(UNIT_TESTS:%=$(B)/tests/%.o) $(COMMAND_LINE) $(OBJECTS) $(GPU_absent)
	$(call link,-lgtest -lgtest_main)
$(B)/tests/fuzz_replay: $(FUZZED:%=$(B)/%.o) $(B)/tests/fuzz/replay.o
	$(call link)
$(B)/tests/fuzzer: $(FUZZED:%=$(B)/%.o) $(B)/tests/fuzz/fuzzer.o
	$(call link,-fsanitize=fuzzer)
$(B)/tests/cli_tests: $(CLI_TESTS:%=$(B)/tests/%.o)
	$(call link,-lgtest -lgtest_main)
$(B)/tests/kernel_tests_gpuhost: $(KERNEL_TESTS:%=$(B)/gpuhost/tests/%.o) \
        $(RUNNER_TESTS:%=$(B)/gpuhost/tests/gpuhost/%.o) $(B)/gpuhost/bench/gpu_ladder.o \
        $(TRAINING) $(GPU_gpuhost)
	$(call link,-lgtest -lgtest_main $(LIBS_gpuhost))
$(B)/tests/kernel_tests_cuda: $(KERNEL_TESTS:%=$(B)/cuda/tests/%.o) $(B)/cuda/bench/gpu_ladder.o \
        $(TRAINING) $(GPU_cuda)
	$(call link,-lgtest -lgtest_main $(LIBS_cuda))
$(B)/tests/train_tests_%: $(TRAIN_TESTS:%=$(B)/tests/%.o) $(B)/tests/mpi_main.o $(TRAINING)
	$(call link,-lgtest $(LIBS_$*))
$(B)/tests/train_tests_cuda: $(GPU_cuda)
$(B)/tests/train_tests_gpuhost: $(GPU_gpuhost)

# The measuring programs find by themselves what the processor has; main_no_mpi is main with a
# stand-in for MPI.
$(B)/bench/limits: $(B)/bench/limits.o
	$(call link)
$(B)/bench/scaling_measure: $(B)/bench/scaling_measure.o
	$(call link)
$(B)/bench/main_no_mpi: $(B)/main.o $(COMMAND_LINE) $(filter-out $(B)/comm.o,$(OBJECTS)) \
        $(B)/bench/comm_absent.o $(GPU_absent)
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $(filter %.o,$^) $(LDFLAGS) $(LIBS)

# cudaMemcpyAsync is wrapped to count what goes to the GPU; the kernel runner counts by itself.
$(B)/bench/gpu_bench: $(GPU_BENCH:%=$(B)/cuda/bench/%.o) $(B)/cuda/bench/gpu_traffic.o $(GPU_cuda) $(B)/gpu_plan.o
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $^ $(LDFLAGS) -Wl,--wrap=cudaMemcpyAsync $(LIBS_cuda) -ldl
$(B)/bench/gpu_bench_gpuhost: $(GPU_BENCH:%=$(B)/gpuhost/bench/%.o) \
        $(B)/gpuhost/tests/gpuhost/gpu_traffic.o $(GPU_gpuhost) $(B)/gpu_plan.o
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $^ $(LDFLAGS) $(LIBS_gpuhost)
$(B)/bench/gpu_model: $(B)/bench/gpu_model.o $(B)/gpu_plan.o
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $^ $(LDFLAGS)

host.text := $(MPICXX) $(shell $(MPICXX) --version | head -n 1) $(CXX) $(MPI) $(MPI_HOST) $(CPU_FLAGS) $(ISAS)
cuda.text := $(NVCC) $(NVCC_VERSION) $(NVCC_FLAGS)
main.text := $(B) $(BACKEND) $(LIBS_$(BACKEND)) $(LDFLAGS)
$(B)/host.flags $(B)/cuda.flags build/main.flags: FORCE
	@mkdir -p $(@D)
	@echo '$($(basename $(@F)).text)' | cmp -s - $@ || echo '$($(basename $(@F)).text)' >$@

-include $(wildcard $(B)/*.d $(B)/*/*.d $(B)/*/*/*.d $(B)/*/*/*/*.d)
