// agreed.h: the command that all ranks were started with.
//
// Ranks with different flags would wait for each other for ever, or read messages of another
// length. So the first thing that ranks do together is to compare what they were asked for.
#pragma once
#include <optional>

#include "app/commands/commands.h"
#include "comm/session.h"

/// Parses this rank's command line, and compares its settings with those of all ranks. Returns
/// nothing after --help or --version, whose text the caller prints. Collective, and the first call
/// that is. If the command line of a rank is refused, the lowest such rank throws that InputError;
/// if settings differ, rank 0 throws one that names a flag and two ranks. The other ranks throw
/// InputErrorElsewhere. So does a task that MPI sees alone (launcher.h), unless it was started with
/// --separate-runs.
std::optional<Job> agreed_command(const Session& mpi, const Arguments& arguments);
