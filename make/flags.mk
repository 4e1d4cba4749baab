# flags.mk: the configurations, and the flags that each compiler gets.
#
# Every flag is kept in $(B)/*.flags; all that is built from those flags depends on that file.

# bf16 tiles multiply floats, on x86-64.
TILES := $(if $(filter float,$(REAL)),$(X86_64))
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_tsan := -fsanitize=thread
SAN_fuzz := $(SAN_asan) -fsanitize=fuzzer-no-link
TOLD_asan := -DGPUHOST_ASAN
TOLD_tsan := -DGPUHOST_TSAN
SAN      := $(if $(SANITIZE),$(or $(SAN_$(SANITIZE)),$(error SANITIZE=$(SANITIZE): say asan, tsan or fuzz)))

# The CPU's arithmetic is compiled once for each instruction set; the program takes the best one
# that the processor has. Sanitizers and debuggers need one alone.
ISAS := baseline $(if $(filter 1,$(DEBUG))$(SANITIZE),,$(if $(X86_64),avx2 avx512))
# For the tests: wide vectors of plain C++, on every machine (vec.h). -O3 takes five times as long.
ISA_wide   := -DCPU_VECTOR_BYTES=64 -O1
ISA_avx2   := -mavx2 -mfma
# GCC 12's own AVX-512 header reads a variable before it is set, as it means to, and warns of it.
ISA_avx512 := -march=x86-64-v4 -mprefer-vector-width=512 \
    $(if $(findstring clang,$(CXX)),,-Wno-uninitialized -Wno-maybe-uninitialized)

ifeq ($(MAKELEVEL)$(filter only,$(LOOKS))$(NEW),0)
$(info # type     $(REAL)$(if $(filter 1,$(DEBUG)), debug))
$(info # MPI      $(or $(MPI),mpirun not found; $(MPICXX) builds, but nothing can run))
$(info # CPU      $(ISAS)$(if $(TILES), and bf16 tiles))
$(info # CUDA     $(if $(NVCC),$(NVCC_VERSION) ($(NVCC)) for sm $(GPU_ARCHS) and PTX,$(if \
    $(filter 0,$(CUDA)),not wanted (CUDA=0),no nvcc on the PATH or under CUDA_HOME or \
    /usr/local/cuda): trains on the CPU alone))
$(if $(NVCC),$(info # GPU      $(if $(GPU_FOUND),compute capability $(GPU_FOUND),none here: \
    ./main takes the CPU here and a GPU where there is one$(if $(filter 1,$(CUDA)),,; tests leave \
    CUDA out. If there is a GPU but no nvidia-smi: CUDA=1. Without kernels it builds faster: CUDA=0))))
endif

# No fast-math and no contraction: host results depend on the program alone, not on the compiler.
# Open MPI's and MPICH's old C++ bindings are not used; without them their headers do not warn.
# Line numbers, for traces, are all that is kept of names: the rest takes a third of the time.
# Sanitized code takes twice as long to compile, half of it for the optimiser's second half.
OPTIMISE := $(if $(filter 1,$(DEBUG)),-O0 -D_GLIBCXX_ASSERTIONS,$(if $(filter asan tsan,$(SANITIZE)),-O1,-O2))
# GCC's -Wconversion leaves signs out.
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wconversion$(if $(findstring clang,$(COMPILER)), -Wno-sign-conversion)
INCLUDES := -I. -Isrc
HOST     := -std=c++20 $(if $(filter 1,$(DEBUG)),-g,-g1) $(OPTIMISE) $(WARN) -ffp-contract=off $(DOUBLE_FLAG) $(SAN) $(INCLUDES) -MMD -MP
MPI_HOST := $(HOST) -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX
NVCC_HOST_WARN := -Wall,-Wextra,-Wshadow,-ffp-contract=off
# A kernel's registers and shared memory go to a .log beside its object (make gpu-check).
NVCC_FLAGS := -std=c++20 -ccbin $(CXX) $(GENCODE) -Xptxas -v -Werror all-warnings \
    $(if $(filter 1,$(DEBUG)),-O0 -g -G -D_GLIBCXX_ASSERTIONS,-O2 -lineinfo) -Xcompiler=$(NVCC_HOST_WARN) \
    $(DOUBLE_FLAG) $(INCLUDES) -MMD -MP
# The .cu files are C++ to g++, which knows none of nvcc's pragmas.
GPUHOST  := $(HOST) -Itests/gpuhost -Wno-unknown-pragmas$(if $(findstring clang,$(COMPILER)), -Wno-pass-failed)
# Code under test is optimised as in ./main. Of the tests only those compute that compare numbers.
TEST_OPTIMISE = $(if $(filter tests/device/% tests/gpuhost/% tests/train/%,$<),-O1,-O0)
as_test = $(patsubst -O2,$(TEST_OPTIMISE),$(1)) $(if $(GTEST_READ),-include $(B)/tests/gtest$(filter -O%,$(patsubst -O2,$(TEST_OPTIMISE),$(OPTIMISE))).h)
# GoogleTest's header as g++ has read it, for each way to optimise tests (make/objects.mk).
GTEST_READ := $(if $(findstring clang,$(COMPILER)),,$(patsubst %,$(B)/tests/gtest%.h,$(if $(filter -O2,$(OPTIMISE)),-O0 -O1,$(filter -O%,$(OPTIMISE)))))

# In products, what ASan sees at the access is left to it: the table compiles in 54 s, not in 79.
CPU_FLAGS  := $(patsubst -O2,-O3,$(HOST)) $(if $(filter asan,$(SANITIZE)),$(addprefix -fno-sanitize=,null object-size pointer-overflow)) -Wno-psabi
MPI_HOST   += $(if $(filter avx512,$(ISAS)),-DCPU_HAS_X86_ISAS)

LIBS         := -lz -lpng -ljpeg -lzip -lcsv -ldl -lpthread
LIBS_cuda    := $(filter-out %/stubs,$(NVCC_LIBS)) -lcudart_static -lrt \
    $(patsubst -L%,-Xlinker -rpath=%,$(filter-out %/stubs,$(NVCC_LIBS)))
# The imitation of NCCL calls the runner, and lies beside the programs.
LIBS_gpuhost := -lboost_context -rdynamic -Wl,--enable-new-dtags,-rpath,'$$ORIGIN/gpuhost:$$ORIGIN/../gpuhost'

# What an object is built from beside its sources. A file is written where its text changed; asked
# while make parses, so that make -q can say that all is up to date.
host.text := $(COMPILER) $(MPICXX) $(CXX) $(MPI_INCLUDES) $(MPI_HOST) $(CPU_FLAGS) $(ISAS)
cuda.text := $(NVCC) $(NVCC_VERSION) $(NVCC_FLAGS)
main.text := $(B) $(BACKEND) $(LIBS_$(BACKEND)) $(LDFLAGS)
define flags_file
$(1): $(if $(call differ,$($(2).text),$(file <$(1))),FORCE)
	@mkdir -p $$(@D)
	@echo '$$($(2).text)' >$$@
endef
$(foreach kind,host cuda,$(eval $(call flags_file,$(B)/$(kind).flags,$(kind))))
$(eval $(call flags_file,build/main.flags,main))
