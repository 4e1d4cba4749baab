// import.h: the command that makes a file of this program of another program's network.
#pragma once
#include "app/cli/options.h"
#include "comm/comm.h"

int import_model(const Comm& comm, const ImportOptions& options);
