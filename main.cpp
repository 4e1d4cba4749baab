// main.cpp: arguments -> MPI -> a command -> an exit code, whatever happens on the way.
//
// ./main train is in app/commands/train.cpp: samples -> network -> training -> report. Every rank
// runs the whole command; only rank 0 reads files and prints.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>

#include "app/commands/agreed.h"
#include "base/error.h"
#include "base/text.h"
#include "comm/session.h"

namespace {

int run(Session& mpi, const Arguments& arguments) {
    const std::optional<Job> job = agreed_command(mpi, arguments);
    const Comm& comm = mpi.join(job ? job->ranks_per_node : 0);
    if (job) return job->run(comm);
    parse_command(arguments, comm.is_root());  // prints --help or --version
    return exit_ok;
}

/// Runs the command after MPI has started; returns the exit code.
int run_with_mpi(Session& mpi, const Arguments& arguments) {
    try {
        const int code = run(mpi, arguments);
        const bool printed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
        // SIGHUP stops a run whose terminal is gone; its state is saved all the same.
        if (!printed && code != exit_stopped)
            throw Failure(__FILE__, __LINE__, "writing to standard output", std::strerror(errno),
                          "send the output where there is room");
        return code;
    } catch (const InputErrorElsewhere&) {
        return exit_bad_input;
    } catch (const InputError& error) {
        print_error(error.what());
        return exit_bad_input;
    } catch (const Diverged& error) {
        if (mpi.rank() == 0) print_error(error.what());
        return exit_check_failed;
    } catch (const RanksDiffer& error) {
        if (mpi.rank() == 0) print_error(error.what());
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
        Session mpi(argc, argv);
        return run_with_mpi(mpi, Arguments(argv + std::min(argc, 1), argv + argc));
    } catch (const InputError& error) {
        print_error(error.what());
        return exit_bad_input;
    } catch (const std::exception& error) {  // MPI itself did not start
        print_error(error.what());
        return exit_failure;
    }
}
