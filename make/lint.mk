# lint.mk: what checks style. Neither clang-tidy nor cppcheck reads CUDA.
PRODUCT := $(wildcard *.cpp src/*/*.cpp src/*/*/*.cpp src/*/*/*/*.cpp)
SOURCES := $(wildcard $(foreach place,. src/* src/*/* src/*/*/* bench bench/peers tests/* tools/*,$(place)/*.cpp $(place)/*.h $(place)/*.cu))
SCRIPTS := $(wildcard *.sh tools/*.sh tools/*/*.sh tests/*.sh tests/*/*.sh bench/*/*.sh) .ci/run
TIDY := -std=c++20 $(INCLUDES) $(addprefix -isystem ,$(MPI_INCLUDES)) \
    -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX -DCPU_ISA=baseline
# The analyzer follows 20,000 states of a function, not 225,000: a third of the time.
ANALYZER := -Xclang -analyzer-config -Xclang max-nodes=20000
# cppcheck takes a loop over all elements for one that may not run: hence two suppressions.
lint: | build/.setup-lint
	clang-format --dry-run -Werror $(SOURCES)
	shellcheck -x $(SCRIPTS)
	tools/check_includes.py --self-test
	tools/check_includes.py
	cppcheck --quiet --std=c++20 --enable=warning,performance,portability --suppress=uninitMemberVar \
	    --suppress=invalidFunctionArg --inline-suppr --error-exitcode=1 $(INCLUDES) $(PRODUCT)
	tools/tidy.py $(PRODUCT) -- $(TIDY) $(ANALYZER)
