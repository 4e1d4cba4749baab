# toolchain.mk: what this machine has. It only reads; what is missing is installed by the rule of
# build/.setup-*, once, after which make reads everything again.
MAKEFLAGS += --no-builtin-rules
# As many jobs as processors, unless the user says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# ---- what is missing is installed, or named ------------------------------------------------------
GOALS    := $(or $(MAKECMDGOALS),main)
BUILDING := $(filter-out help clean format,$(GOALS))
# make -n, make -q and a shell's completion (make -npq) only look.
LOOKING  := $(findstring n,$(firstword -$(MAKEFLAGS)))$(findstring q,$(firstword -$(MAKEFLAGS)))
ifeq ($(MAKELEVEL)$(LOOKING),0)
NEEDS := $(if $(BUILDING),build) $(if $(filter bench bench-peers scaling,$(GOALS)),bench) \
         $(if $(filter test test-quick test-custom test-binaries test-slurm,$(GOALS)),test) \
         $(if $(filter lint,$(GOALS)),lint) $(if $(filter fuzz,$(GOALS)),fuzz)
include $(addprefix build/.setup-,$(NEEDS))
build/.setup-%: tools/setup.sh
	@mkdir -p build
	@tools/setup.sh $* >&2
	@touch $@
endif

# ---- what is found -------------------------------------------------------------------------------
CCACHE := $(if $(filter ccache,$(CXX) $(MPICXX)),,$(shell command -v ccache))
X86_64 := $(filter x86_64-%,$(shell $(CXX) -dumpmachine))
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
