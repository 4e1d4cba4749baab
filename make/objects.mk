# objects.mk: what the programs are made of, room by room, and how a source becomes an object.
#
#   *.cpp ------------------------------------- mpicxx -----------------+
#   device/cpu/table.cpp ---------------------- g++, once a set of      |
#                                               instructions -----------+--> ./main, tests
#   one GPU back end of three:                                          |
#     cuda     *.cu --------------------------- nvcc -------------------+    for GPUs
#     absent   device/gpu/absent.cpp ---------- mpicxx -----------------+    where there is no nvcc
#     gpuhost  *.cu --------------------------- g++ and tests/gpuhost --+--> main_gpuhost, tests alone
# Every source of a room, and of the rooms within it.
room = $(patsubst %.cpp,%,$(wildcard $(1)/*.cpp $(1)/*/*.cpp))

# Compiled once an instruction set, or only where they fit. The tests also have a table of vectors
# of 64 bytes in plain C++: AVX-512's shapes on every machine.
EACH_ISA   := src/device/cpu/table
WIDE_TABLE := $(EACH_ISA:%=$(B)/%.wide.o)
CPU_TILES  := src/device/cpu/$(if $(TILES),tiles_bf16x3.amx,tiles_absent)
CPU_CHOICE := $(patsubst %,src/device/cpu/%,table tiles_bf16x3 tiles_absent)

# The plain build compiles source by source, so that an edit costs one. The others, which are built
# at once or not at all, compile the sources of a folder as one, in half the time.
JOINED := $(filter-out build/float,$(B))
folder_of = $(patsubst %/,%,$(dir $(1)))
whole = $(if $(JOINED),$(sort $(foreach source,$(1),joined/$(subst /,-,$(call folder_of,$(source))))),$(1))

BASICS := $(call whole,$(call room,src/base))
FILES  := $(call whole,$(call room,src/input) $(call room,src/model)) mnist_reader
DEVICE := $(filter-out $(CPU_CHOICE) src/device/gpu/%,$(call room,src/device)) $(CPU_TILES) src/device/gpu/plan src/device/gpu/first_layer \
          $(foreach isa,$(ISAS),$(EACH_ISA:%=%.$(isa)))
COMM   := $(call whole,$(filter-out src/comm/absent,$(call room,src/comm)))
TRAIN  := $(call whole,$(call room,src/train) $(call room,src/reduce)) neural_network
APP    := $(call whole,$(call room,src/app)) build/digit_page_files

# What fits the constants of the model of GPU kernels, but for its main.
GPU_FIT := $(filter-out bench/gpu_fit,$(patsubst %.cpp,%,$(wildcard bench/gpu_fit*.cpp))) bench/gpu_step_model

objects_of = $(patsubst %,$(B)/%.o,$(1))
COMMAND_LINE := $(call objects_of,$(APP))
OBJECTS      := $(call objects_of,$(BASICS) $(FILES) $(DEVICE) $(COMM) $(TRAIN))

main $(B)/main: $(B)/main.o $(COMMAND_LINE) $(OBJECTS) $(GPU_$(BACKEND)) build/main.flags
	$(call link,$(LIBS_$(BACKEND)))

# The digit page's own files, as strings.
DIGIT_PAGE := $(addprefix src/app/report/digit/,page.html page.css sheet.js prepare.js network.js show.js draw.js)
build/digit_page_files.cpp: $(DIGIT_PAGE) tools/embed.sh make/objects.mk
	$(show) EMBED $@
	$(Q)mkdir -p $(@D) && tools/embed.sh $(DIGIT_PAGE) >$@

define link
$(show) LINK $@
$(Q)mkdir -p $(@D) && $(MPICXX) $(SAN) -o $@ $(filter %.o,$^) $(LDFLAGS) $(1) $(LIBS)
endef
define compile
$(show) '$(1)' $<
$(Q)mkdir -p $(@D) && $(CCACHE) $(2) -c -o $@ $<
endef

$(B)/%.o: %.cpp $(B)/host.flags | build/.setup-build
	$(call compile,MPICXX,$(MPICXX) $(MPI_HOST))
$(B)/tests/%.o: tests/%.cpp $(B)/host.flags | build/.setup-test $(GTEST_READ)
	$(call compile,MPICXX,$(MPICXX) $(call as_test,$(MPI_HOST)))

# The plain build gives the warnings. Here names of two sources would look like shadows, and what is
# inlined like values that were never set.
define joined
$(B)/joined/$(subst /,-,$(1)).cpp: $(1) make/objects.mk
	$$(Q)mkdir -p $$(@D) && printf '#include "%s"\n' $(filter-out src/comm/absent.cpp,$(wildcard $(1)/*.cpp)) >$$@
endef
$(foreach folder,$(sort $(call folder_of,$(wildcard src/*/*.cpp src/*/*/*.cpp))),$(eval $(call joined,$(folder))))
$(B)/joined/%.o: $(B)/joined/%.cpp $(B)/host.flags | build/.setup-build
	$(call compile,MPICXX,$(MPICXX) $(MPI_HOST) -w)

# GoogleTest's header takes a second to read, which is a third of what a test takes. So it is read
# once, and what was read is kept beside a header of this name. ccache keeps no such object untold.
export CCACHE_SLOPPINESS ?= pch_defines,time_macros
$(GTEST_READ): $(B)/tests/gtest-O%.h: $(B)/host.flags | build/.setup-test
	$(show) GTEST $@
	$(Q)mkdir -p $(@D) && echo '#include <gtest/gtest.h>' >$@
	$(Q)$(CXX) $(filter-out -O% -MMD -MP,$(HOST)) -O$* -x c++-header -o $@.gch $@

define each_isa
$(B)/%.$(1).o: %.cpp $(B)/host.flags | build/.setup-build
	$$(call compile,CXX $(1),$$(CXX) $$(CPU_FLAGS) $$(ISA_$(1)) -DCPU_ISA=$(1))
	$(if $(filter avx%,$(1)),$$(Q)$$(call own_code_alone,$(1)))
endef
$(foreach isa,$(ISAS) wide,$(eval $(call each_isa,$(isa))))
# The tiles need AVX-512 and, at run time, AMX. Unoptimised, the header's functions would be shared.
$(B)/%.amx.o: %.cpp $(B)/host.flags | build/.setup-build
	$(call compile,CXX amx,$(CXX) $(CPU_FLAGS) $(if $(filter 1,$(DEBUG)),-O1) $(ISA_avx512))
	$(Q)$(call own_code_alone,amx)
# An inline function of std:: compiled here for AVX could be the copy that the linker keeps for the
# whole program, which would then crash on a processor without AVX. So there may be none.
define own_code_alone
nm -C $@ | awk '$$2 == "W" && !/$(1)/ { print "$@ has code that is not $(1) alone:", $$0; bad = 1 } END { exit bad }' >&2
endef

# What an object was compiled from, beside its source: a .d beside every object, however deep.
-include $(shell find $(B) -name '*.d' 2>/dev/null)
