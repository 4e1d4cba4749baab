// main.cpp: options -> the command they name -> an exit code, whatever happens on the way.
//
// ./main train is app/commands/train.cpp: samples -> network -> training -> report. Every rank runs
// all of a command; rank 0 reads and prints.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <string>

#include "app/cli/options.h"
#include "app/commands/demo.h"
#include "app/commands/evaluate.h"
#include "app/commands/grade.h"
#include "app/commands/inspect.h"
#include "app/commands/predict.h"
#include "app/commands/train.h"
#include "base/error.h"
#include "base/text.h"
#include "comm/session.h"

namespace {

int run(const Comm& comm, int argc, char** argv) {
    std::optional<Options> options;
    comm.together([&] { options = parse_options(argc, argv, comm.is_root()); });
    if (!options) return exit_ok;
    switch (options->command) {
        case Command::predict:
            return predict(comm, *options);
        case Command::evaluate:
            return evaluate(comm, *options);
        case Command::inspect:
            return inspect(comm, *options);
        case Command::demo:
            return demo(comm, *options);
        case Command::train:
            break;
    }
    if (options->grade == 4) {
        const bool right = !comm.is_root() || grade_gemm();
        return comm.from_root(right) ? exit_ok : exit_check_failed;
    }
    return train(comm, *options);
}

/// What main() does once MPI runs; returns the exit code.
int run_with_mpi(const Session& mpi, int argc, char** argv) {
    try {
        const int code = run(mpi.comm(), argc, argv);
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
            throw Failure(__FILE__, __LINE__, "writing to standard output", std::strerror(errno),
                          "send the output where there is room");
        return code;
    } catch (const InputErrorElsewhere&) {
        return exit_bad_input;
    } catch (const InputError& error) {
        print_error(error.what());
        return exit_bad_input;
    } catch (const Diverged& error) {
        if (mpi.comm().is_root()) print_error(error.what());
        return exit_check_failed;
    } catch (const RanksDiffer& error) {
        if (mpi.comm().is_root()) print_error(error.what());
        return exit_check_failed;
    } catch (const std::bad_alloc&) {
        mpi.abort_all("out of memory; use a smaller network (-n) or batch (-b)", exit_failure);
    } catch (const std::exception& error) {
        mpi.abort_all(error.what(), exit_failure);
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const Session mpi(argc, argv);
        return run_with_mpi(mpi, argc, argv);
    } catch (const std::exception& error) {  // MPI itself did not start
        print_error(error.what());
        return exit_failure;
    }
}
