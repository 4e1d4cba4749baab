# course.mk: what a teacher needs: the handout, the grader, and their tests. The handout lacks it all.
#
#   handout.py   this tree without its solutions (tools/handout)
#   driver       its own main, linked with a submission's neural_network.cpp: rest.a is all but that
#   judge        linked with this tree's neural_network.cpp; it says which of the driver's numbers are right
.PHONY: handout grade test-course grader grader-both

ifeq ($(filter grade,$(GOALS))$(SUBMISSION),grade)
$(error grade needs a submission: make grade SUBMISSION=path/neural_network.cpp)
endif

GRADER_PARTS := $(patsubst %,$(B)/tools/grader/%.o,case records)
REST := $(filter-out $(B)/neural_network.o,$(OBJECTS)) $(GPU_absent)

handout:  ## the starter code of the course: build/handout, build/handout.tar.gz
	$(Q)python3 -B tools/handout/handout.py

grade: grader-both  ## grades SUBMISSION=path/neural_network.cpp: a table, points of 70, build/grade/results.json
	$(Q). tests/mpi_env.sh && python3 -B tools/grader/grade.py $(SUBMISSION) $(RESULTS:%=--results %)

test-course: grader-both main  ## grades right, wrong and dishonest submissions; builds the handout; takes the tour
	$(Q). tests/mpi_env.sh && export CUDA='$(CUDA)' && python3 -B tests/course/test_cell.py && \
	    python3 -B tests/course/test_course.py
	$(Q). tests/mpi_env.sh && export CUDA='$(CUDA)' && python3 -B tests/course/test_tour.py

grader-both:
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG= DEBUG=0 SANITIZE= grader
	$(Q)+$(MAKE) --no-print-directory DOUBLE_FLAG=-DUSE_DOUBLE DEBUG=0 SANITIZE= grader
grader: $(patsubst %,$(B)/grader/%,judge rest.a commands)

JUDGE := judge answers step_questions training_questions told_questions loss_rounding
$(B)/grader/judge: $(patsubst %,$(B)/tools/grader/%.o,$(JUDGE)) $(GRADER_PARTS) $(OBJECTS) $(GPU_absent)
	$(call link)
$(B)/grader/rest.a: $(patsubst %,$(B)/tools/grader/%.o,driver calls) $(GRADER_PARTS) $(REST)
	$(show) AR $@
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^
# How a submission is compiled and linked, from the folder of its cell.
$(B)/grader/commands: $(B)/host.flags
	$(Q)mkdir -p $(@D) && printf '%s\n' '$(MPICXX) $(MPI_HOST)' '$(LDFLAGS) $(LIBS)' >$@
