// export.h: the command that makes something for others of a trained network: a page to draw in.
#pragma once
#include "app/cli/options.h"
#include "comm/comm.h"

int export_model(const Comm& comm, const ExportOptions& options);
