# bench.mk: what measures. bench/README.md says what each of them finds out.
#
# The GPU's benchmark needs neither MPI nor a network; main_no_mpi is main with a stand-in for MPI.
GPU_BENCH := $(patsubst bench/%.cu,%,$(filter-out bench/gpu_traffic.cu bench/gpu_limits.cu,$(wildcard bench/gpu_*.cu)))
# What it takes of the program beside the kernels.
BENCH_PARTS = $(B)/src/device/gpu/plan.o $(B)/src/device/gpu/first_layer.o $(B)/src/model/initial.o
.PHONY: bench-programs bench-cold-start bench-density ladder-cpu

bench-programs bench-peers: | build/.setup-bench

# Both types, and what bench/ measures with. The rival with oneDNN is left out where that is not.
bench-programs:
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG= build/float/main \
	    $(addprefix build/float/bench/,limits scaling_measure main_no_mpi cpu_ladder) \
	    $$($(FIND_ONEDNN) && echo build/float/bench/onednn_mlp)
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG=-DUSE_DOUBLE build/double/main

bench: bench-programs
	$(Q)python3 -B bench/bench.py --main-float build/float/main --main-double build/double/main \
	    --main-no-mpi build/float/bench/main_no_mpi --limits build/float/bench/limits $(ARGS)

# Parts that take long or answer a question of their own; make bench has the cold start too.
bench-cold-start: bench-programs
	$(Q)python3 -B bench/cold_start.py $(ARGS)
bench-density: bench-programs
	$(Q)python3 -B bench/density.py $(ARGS)
ladder-cpu: bench-programs
	$(Q)python3 -B bench/ladder_cpu.py $(ARGS)

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

straggler: main
	$(Q)python3 -B bench/straggler.py $(ARGS)

# New constants for src/device/gpu/plan_costs.h, from the table of a run on a GPU.
gpu-fit: $(B)/bench/gpu_fit
	$(Q)$< $(or $(CSV),$(error gpu-fit needs CSV=FILE, the csv that make bench-gpu wrote))

bench-peers:
	$(Q)bench/peers/setup.sh

# Debian's Python, for which setup.sh installs NumPy.
pictures: main | build/.setup-pictures
	$(Q)/usr/bin/python3 -B bench/pictures.py ./main $(ARGS)

techniques: main
	$(Q)python3 -B bench/techniques.py $(ARGS)

scaling: bench-programs
	$(Q)python3 -B bench/scaling.py $(ARGS)

# oneDNN is a rival alone: the program itself does not use it. It is looked for again where
# build/.setup-bench has installed something.
FIND_ONEDNN := echo '\#include <dnnl.h>' | $(CXX) -E -x c++ - >/dev/null 2>&1
$(B)/bench/limits_onednn.o: $(wildcard build/.setup-bench)
$(B)/bench/limits: $(patsubst %.cpp,$(B)/%.o,$(wildcard bench/limits*.cpp))
	$(call link,$$($(FIND_ONEDNN) && echo -ldnnl -lgomp))
# For this processor alone: a rival is given all that makes it fast.
ONEDNN_FLAGS := -std=c++20 -O3 -march=native -fopenmp -Wall -Wextra
$(B)/bench/onednn_mlp: bench/peers/onednn_mlp.cpp $(B)/host.flags
	$(show) CXX $<
	$(Q)mkdir -p $(@D) && $(CXX) $(ONEDNN_FLAGS) -o $@ $< $(LDFLAGS) -ldnnl -lz
$(B)/bench/scaling_measure: $(B)/bench/scaling_measure.o
	$(call link)
$(B)/bench/cpu_ladder: $(B)/bench/cpu_ladder.o $(call objects_of,$(BASICS) $(FILES) $(DEVICE))
	$(call link)
$(B)/bench/main_no_mpi: $(B)/main.o $(COMMAND_LINE) $(filter-out $(call objects_of,$(COMM)),$(OBJECTS)) \
        $(B)/src/comm/absent.o $(GPU_absent)
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $(filter %.o,$^) $(LDFLAGS) $(LIBS)

# cudaMemcpyAsync is wrapped to count what goes to the GPU; the kernel runner counts by itself. It has no
# cublasLt either, and takes a stand-in.
$(B)/bench/gpu_bench: $(GPU_BENCH:%=$(B)/cuda/bench/%.o) $(B)/cuda/bench/gpu_traffic.o $(B)/cuda/bench/cublas_lt.o \
        $(GPU_cuda) $(BENCH_PARTS)
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $^ $(LDFLAGS) -Wl,--wrap=cudaMemcpyAsync $(LIBS_cuda) -ldl
# For a GPU alone: its blocks wait for each other.
$(B)/bench/gpu_limits: $(B)/cuda/bench/gpu_limits.o
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $^ $(LDFLAGS) $(LIBS_cuda)
$(B)/bench/gpu_bench_gpuhost: $(GPU_BENCH:%=$(B)/gpuhost/bench/%.o) \
        $(B)/gpuhost/tests/gpuhost/gpu_traffic.o $(B)/gpuhost/tests/gpuhost/plain_lt.o $(GPU_gpuhost) $(BENCH_PARTS)
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $^ $(LDFLAGS) $(LIBS_gpuhost)
$(B)/bench/gpu_model: $(B)/bench/gpu_model.o $(B)/bench/gpu_step_model.o $(B)/src/device/gpu/plan.o
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $^ $(LDFLAGS)
$(B)/bench/gpu_fit: $(B)/bench/gpu_fit.o $(GPU_FIT:%=$(B)/%.o) $(B)/src/device/gpu/plan.o
	$(show) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) -o $@ $^ $(LDFLAGS)
