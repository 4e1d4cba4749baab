// cores.h: the number of cores that this rank has for itself.
#pragma once
#include <string>

#include "comm/comm.h"

/// The binding of this process allows some cores (not hardware threads). All ranks of the node that
/// may run on a core share it. The result is the sum of this rank's shares, but no more than its
/// share of the quota of its control group (version 2), and at least 1. Collective.
int cores_of_this_rank(const Comm& comm);

/// The cores that a control group's cpu.max allows: 2 for "150000 100000", 0 for "max 100000". 0
/// means that it sets no limit or cannot be understood.
int cores_of_quota(const std::string& cpu_max);
