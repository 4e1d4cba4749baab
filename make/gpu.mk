# gpu.mk: the kernels, by nvcc for GPUs and by g++ for the kernel runner, tests/gpuhost.
#
# nvidia-smi is missing in some containers that have a GPU: there CUDA=1 says that there is one.
HAS_GPU    := $(and $(NVCC),$(or $(GPU_FOUND),$(filter 1,$(CUDA))))
# bf16x3 and int8 are ways to multiply floats, so the build in double has no such files.
OF_FLOAT   := $(patsubst %,src/device/gpu/%,gemm_bf16x3 gemm_int8 digits)
GPU_FILES  := $(filter-out src/device/gpu/cublas $(if $(filter double,$(REAL)),$(OF_FLOAT)),\
              $(patsubst %.cu,%,$(wildcard gpu_func.cu src/device/gpu/*.cu)))
LADDER     := bench/gpu_ladder bench/gpu_ladder_top
RUNNER     := $(patsubst %.cpp,$(B)/gpuhost/%.o,$(wildcard tests/gpuhost/gpuhost*.cpp))

# NCCL for them: a library that is opened as the true one is, which LD_LIBRARY_PATH puts before it.
NCCL_IMITATION := tests/gpuhost/nccl_imitation
NCCL_gpuhost   := $(B)/gpuhost/libnccl.so.2

GPU_cuda    := $(patsubst %,$(B)/cuda/%.o,$(GPU_FILES) src/device/gpu/cublas)
GPU_absent  := $(B)/src/device/gpu/absent.o
GPU_gpuhost := $(GPU_FILES:%=$(B)/gpuhost/%.o) $(B)/gpuhost/tests/gpuhost/no_cublas.o $(RUNNER)

$(B)/cuda/%.o: %.cu $(B)/cuda.flags | build/.setup-build
	$(call compile,NVCC,$(NVCC) $(NVCC_FLAGS)) 2>$@.log || { cat $@.log >&2; exit 1; }
# Tests launch kernels that others hold, and have none themselves: one architecture is enough, and
# what they are optimised by matters little.
$(B)/cuda/%.o: %.cpp $(B)/cuda.flags | build/.setup-build
	$(call compile,NVCC,$(NVCC) $(patsubst -O2,-O1,$(filter-out $(GENCODE) -Xptxas -v,$(NVCC_FLAGS))) -arch=sm_$(firstword $(GPU_ARCHS)) -x cu)

$(B)/gpuhost/%.o: %.cu $(B)/host.flags | build/.setup-build
	$(call compile,GPUHOST,$(CXX) $(GPUHOST) -x c++)
$(B)/gpuhost/%.o: %.cpp $(B)/host.flags | build/.setup-build
	$(call compile,GPUHOST,$(CXX) $(GPUHOST))
$(B)/gpuhost/tests/%.o: tests/%.cpp $(B)/host.flags | build/.setup-test $(GTEST_READ)
	$(call compile,GPUHOST,$(CXX) $(call as_test,$(GPUHOST)))
# The runner itself is never sanitized: it moves between stacks, and tells the sanitizer of each move.
$(RUNNER) $(NCCL_IMITATION:%=$(B)/gpuhost/%.o): $(B)/gpuhost/%.o: %.cpp $(B)/host.flags | build/.setup-test
	$(call compile,GPUHOST,$(CXX) $(filter-out $(SAN),$(GPUHOST)) $(TOLD_$(SANITIZE)) $(PIC))
$(NCCL_gpuhost): PIC := -fPIC
$(NCCL_gpuhost): $(NCCL_IMITATION:%=$(B)/gpuhost/%.o)
	$(show) LINK $@
	$(Q)$(CXX) -shared -o $@ $< -lrt

# What the kit does on a bare machine, in this tree. Without a GPU there is nothing to run.
FIRST_RUN := main tests/kernel_tests_cuda tests/train_tests_cuda bench/gpu_bench bench/gpu_model
gpu-first-run: NEEDED := $(FIRST_RUN:%=build/float/%) build/float/bench/gpu_limits
gpu-first-run: IN_DOUBLE := $(FIRST_RUN:%=build/double/%)
gpu-sanitize: NEEDED := build/float/tests/kernel_tests_cuda
ifneq ($(HAS_GPU),)
gpu-first-run gpu-sanitize:
	$(Q)+$(MAKE) --no-print-directory CUDA=1 DOUBLE_FLAG= $(NEEDED)
	$(Q)+$(if $(IN_DOUBLE),$(MAKE) --no-print-directory CUDA=1 DOUBLE_FLAG=-DUSE_DOUBLE $(IN_DOUBLE))
	$(Q)tools/gpu_kit/run.sh build/$@ $(or $(ARGS),360) $(if $(filter gpu-sanitize,$@),sanitize)
else
gpu-first-run gpu-sanitize:
	@echo "# make $@: nothing was run, for there is no" \
	    "$(if $(NVCC),GPU (nvidia-smi shows none); run it where there is one,nvcc (or CUDA=0): install the CUDA Toolkit);" \
	    "or carry what make gpu-kit packs to a machine with a GPU"
endif

gpu-kit:
	$(Q)+tools/gpu_kit/pack.sh $(ARGS)

# A GEMM kernel that does not fit its registers would be right, only several times slower. Where there is
# no GPU, ./main has code for every architecture too, and these are its objects.
CHECKED := $(if $(GPU_FOUND),build/gpu-check,build)
REPORTS  = $$(find $(CHECKED)/$(1)/cuda/src $(patsubst %,$(CHECKED)/$(1)/cuda/%.o.log,gpu_func bench/gpu_ladder) \
    -name '*.log' -printf '$(1)=%p ')
gpu-check:
	$(Q)tests/ptxas_table.py --self-test
	$(Q)+for double in "" -DUSE_DOUBLE; do $(MAKE) --no-print-directory CUDA=1 GPU_FOUND= DOUBLE_FLAG=$$double \
	    B=$(CHECKED)/$$([ -z "$$double" ] && echo float || echo double) gpu-objects || exit; done
	$(Q)mkdir -p build/gpu-check && for type in float double; do echo "# $$type"; $(CHECKED)/$$type/bench/gpu_model; done \
	    >build/gpu-check/predicted.txt
	$(Q)tests/ptxas_table.py --out build/gpu-check/kernels.txt $(call REPORTS,float) $(call REPORTS,double)
	@echo "# build/gpu-check: kernels.txt has each kernel's registers, memory and occupancy, predicted.txt times"
.PHONY: gpu-objects
gpu-objects: $(patsubst %,$(B)/cuda/%.o,$(GPU_FILES) $(LADDER) bench/gpu_limits) $(B)/bench/gpu_model
