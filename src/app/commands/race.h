// race.h: ./main race: several trainings one after another, a table and a picture.
#pragma once
#include <string>
#include <vector>

#include "app/cli/options_race.h"
#include "app/report/chart.h"
#include "comm/comm.h"

/// The table of the runs' results, with the run that was the first at the goal. A run that did not
/// diverge has an epoch at least. `goal`: per cent; 0: there is none.
std::string race_table(const std::vector<NamedHistory>& runs, double goal);

/// Runs the race on all ranks. Returns exit_check_failed if a run diverged.
int race(const Comm& comm, const RaceOptions& options);
