# Makefile: what make can do. How it does it stands in make/, a file a concern:
#
#   toolchain.mk  what this machine has       objects.mk  what the programs are made of
#   flags.mk      configurations and flags    gpu.mk      kernels: nvcc, kernel runner, gpu-check
#   tests.mk      test programs and tiers     bench.mk    what measures      lint.mk  what checks style
#   course.mk     what a teacher needs: the handout, the grader
#
# What a user may set: the type, nvcc or not, a debugger's or a sanitizer's build, the compilers.
DOUBLE_FLAG ?=
CUDA        ?= auto
DEBUG       ?= 0
SANITIZE    ?=
VERBOSE     ?= 0
MPICXX      ?= mpicxx
MPIRUN      ?=
export MPIRUN

# Each configuration has its own folder of objects, so two of them never mix.
REAL := $(if $(findstring -DUSE_DOUBLE,$(DOUBLE_FLAG)),double,float)
B    := build/$(REAL)$(if $(filter 1,$(DEBUG)),-debug)$(if $(SANITIZE),-$(SANITIZE))
Q    := $(if $(filter 1,$(VERBOSE)),,@)
show = @printf '  %-12s %s\n'

.DEFAULT_GOAL := main
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: run test test-quick test-custom check test-slurm test-qemu interop browser fuzz bench bench-peers bench-gpu \
        bench-gpu-trial bench-cold-start bench-density ladder-cpu straggler pictures scaling techniques gpu-check gpu-kit gpu-first-run \
        gpu-sanitize gpu-fit same-bits ab lint format clean help FORCE

include make/toolchain.mk make/flags.mk make/gpu.mk make/objects.mk make/tests.mk make/bench.mk make/lint.mk
-include make/course.mk # the handout has none

main:  ## builds ./main (DOUBLE_FLAG=-DUSE_DOUBLE: in double)

run: main  ## trains on MNIST (NP=2 ranks, ARGS="flags of ./main")
	$(Q). tests/mpi_env.sh && mpirun -np $(or $(NP),2) ./main $(ARGS)

test-quick:  ## what to run after every edit: some minutes on two cores
test:  ## every claim once: a quarter of an hour from nothing on two cores (NP=3: on 3 ranks alone)
check:  ## the rest: double, sanitizers, planted defects, kills, lint and more: three quarters of an hour on two cores
test-qemu:  ## the CPU's products as aarch64 and as older x86-64 processors, in qemu-user
test-slurm:  ## hw6.sh on a real Slurm, started on this machine
interop:  ## installs PyTorch in build/interop and exchanges files with it and with NumPy
browser:  ## installs Chromium, and draws digits on the page of --html (ARGS=DIR: leaves pictures)
fuzz:  ## fuzzes the readers of files (FUZZ_SECONDS=600 of each, ARGS="model idx" alone)
lint:  ## clang-format, shellcheck, includes, cppcheck and clang-tidy
gpu-check:  ## the kernels for every architecture, all warnings as errors; what each costs: build/gpu-check/*.txt
gpu-first-run:  ## tests, sanitizers and benchmark on this machine's GPU in six minutes (ARGS=600: seconds)
gpu-sanitize:  ## compute-sanitizer's four tools on small tests that have every kernel (ARGS=600: seconds)
gpu-kit:  ## packs in build/gpu-kit what a first run on a bare GPU machine needs (ARGS=90: its capability)
bench:  ## speed on the CPU, beside every peer that is installed (ARGS="--quick")
bench-cold-start:  ## the time from the start of a process to 98 %, beside PyTorch and NumPy
bench-density:  ## from which density on zeros are worth multiplying
pictures:  ## how well predict reads pictures as people make them (ARGS="--seed 3", "--help")
straggler:  ## what a slow rank costs each way to train together (ARGS="--slow-rank 1:4")
ladder-cpu:  ## what each idea of the CPU's products buys (ARGS="--keep": to bench/results/)
bench-peers:  ## installs the peers (PyTorch, NumPy, scikit-learn) in build/peers: several GB
bench-gpu:  ## speed of the kernels on a GPU, beside cuBLAS and PyTorch, to bench/results/
gpu-fit:  ## new constants for the model of the kernels, from CSV=FILE that bench-gpu wrote
bench-gpu-trial:  ## tries that benchmark on the kernel runner, at tiny sizes: its times mean nothing
techniques:  ## each technique on nodes with slow links: step, bytes, epochs to 97.5 % (needs root)
scaling:  ## the cost of a step as ranks grow, and what it says of 10,000 nodes

same-bits:  ## does BASE=commit train to the same bits on this machine?
	$(Q)tools/same_bits.sh $(BASE)
ab:  ## is this tree faster than BASE=commit? (ARGS="flags of ./main", NP=2 ranks, PAIRS=20)
	$(Q)tools/ab.py $(or $(BASE),HEAD) --ranks $(or $(NP),2) --pairs $(or $(PAIRS),20) -- $(ARGS)

format:  ## formats every source
	clang-format -i $(SOURCES)

clean:  ## removes all that was built
	rm -rf build main

help:  ## says what make can do
	@sed -n 's/^\([a-z-]*\):.*## */  make \1|/p' Makefile $(wildcard make/course.mk) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'
	@echo "  with any of them: DOUBLE_FLAG=-DUSE_DOUBLE, CUDA=0 (no nvcc), DEBUG=1, VERBOSE=1,"
	@echo "  MPICXX=mpicxx.mpich MPIRUN=mpirun.mpich (another MPI), CXX=clang++ OMPI_CXX=clang++"
