// cores.h: how many cores this rank has for itself.
#pragma once
#include <string>

#include "comm/comm.h"

/// At least 1. Of each core (not hardware thread) that this process may run on by its binding, the
/// part that is left when all ranks of the node that may run there share it; no more than its part
/// of the quota of its control group (version 2). Collective.
int cores_of_this_rank(const Comm& comm);

/// Cores that a control group's cpu.max ("150000 100000", "max 100000") allows: 2 and 0 for these;
/// 0 where it sets no limit or cannot be understood.
int cores_of_quota(const std::string& cpu_max);
