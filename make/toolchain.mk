# toolchain.mk: what this machine has. While make parses it only reads.
#
# tools/setup.sh installs what is missing, or says how, in the rule of build/.setup-TIER; then
# tools/toolchain.sh asks compilers and MPI, in the rule of $(B)/toolchain.mk, after which make
# reads everything again. Both run once, and again where something changed that they depend on:
# ASKED_WITH names it all. help, clean, format, make -n, -q and -p run neither.
GOALS := $(or $(MAKECMDGOALS),main)
LOOKS := $(filter-out help clean format,$(GOALS))
LOOKS := $(if $(LOOKS),$(findstring n,$(firstword -$(MAKEFLAGS)))$(findstring q,$(firstword -$(MAKEFLAGS))),only)

PROGRAMS   := ccache $(MPICXX) $(CXX) $(or $(MPIRUN),mpirun) nvcc nvidia-smi
ON_PATH    := $(wildcard $(foreach folder,$(subst :, ,$(PATH)),$(PROGRAMS:%=$(folder)/%)))
ASKED_WITH := $(strip CXX=$(CXX) MPICXX=$(MPICXX) OMPI_CXX=$(OMPI_CXX) MPICH_CXX=$(MPICH_CXX) CUDA=$(CUDA) \
    CUDA_HOME=$(CUDA_HOME) CPATH=$(CPATH) PKG_CONFIG_PATH=$(PKG_CONFIG_PATH) $(file </proc/sys/kernel/hostname) \
    $(ON_PATH) $(wildcard /usr/local/cuda/bin/nvcc /dev/nvidia[0-9]*))
TOOLCHAIN  := CXX='$(CXX)' MPICXX='$(MPICXX)' MPIRUN='$(MPIRUN)' CUDA='$(CUDA)' tools/toolchain.sh

-include $(B)/toolchain.mk
# Empty where both are equal.
differ = $(subst [$(1)],,[$(2)])$(subst [$(2)],,[$(1)])
NEW := $(if $(MAKE_RESTARTS),,$(if $(call differ,$(ASKED_WITH),$(ANSWERED_FOR)),FORCE))

ifneq ($(LOOKS),)
# Only looking: asked again where nothing, or something else, was kept; a \ stands for a space.
ifeq ($(NEW)$(filter only,$(LOOKS)),FORCE)
$(foreach line,$(shell $(TOOLCHAIN) | tr ' ' '\\'),$(eval $(subst \, ,$(line))))
endif
else
$(B)/toolchain.mk: tools/toolchain.sh $(NEW) | build/.setup-build
	@mkdir -p $(@D)
	@{ echo 'ANSWERED_FOR := $(ASKED_WITH)' && $(TOOLCHAIN); } >$@.new && mv $@.new $@
endif

build/.setup-%: tools/setup.sh $(NEW)
	@mkdir -p build
	@tools/setup.sh $* >&2
	@touch $@
$(patsubst %,build/.setup-%,test bench pictures fuzz lint): build/.setup-build

MAKEFLAGS += --no-builtin-rules
# As many jobs as processors, unless the user says otherwise.
ifeq ($(MAKELEVEL)$(LOOKS)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

ifeq ($(CUDA)$(NVCC)$(filter only,$(LOOKS)),1)
ifndef NEW
$(error CUDA=1, but there is no nvcc on the PATH, in CUDA_HOME or in /usr/local/cuda: \
        install the CUDA Toolkit (on a cluster: module load cuda), or leave CUDA=1 out)
endif
endif
BACKEND := $(if $(NVCC),cuda,absent)
# Machine code for 8.0 runs on 8.6 and 8.9 too, and newer GPUs than all of these take the PTX, which
# the driver compiles when the program starts.
EVERY_ARCH ?= $(filter 75 80 90 100 120,$(NVCC_KNOWS))
GPU_ARCHS := $(or $(filter $(GPU_FOUND),$(NVCC_KNOWS)),$(EVERY_ARCH))
# Chips after 9.0 have its PTX, which takes most of the time: nothing that only they have is used.
OWN_PTX := $(or $(filter-out 100 120,$(GPU_ARCHS)),$(GPU_ARCHS))
GENCODE := $(foreach a,$(GPU_ARCHS),-gencode arch=compute_$(or $(filter $(a),$(OWN_PTX)),$(lastword $(OWN_PTX))),code=sm_$(a)) \
    $(foreach a,$(lastword $(OWN_PTX)),-gencode arch=compute_$(a),code=compute_$(a))
