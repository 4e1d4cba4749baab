// gather_trace.h: brings the timelines of all ranks (base/timeline.h) to rank 0.
#pragma once
#include "app/report/trace.h"
#include "comm/comm.h"

/// Rank 0 gets the timelines of all ranks, with their clocks set to its own. Collective; on other
/// ranks the result has no timelines.
Trace gather_trace(const Comm& comm);
