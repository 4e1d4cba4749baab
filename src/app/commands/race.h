// race.h: ./main race: several trainings one after another, a table and a picture.
#pragma once
#include <string>
#include <vector>

#include "app/cli/options_race.h"
#include "app/report/chart.h"
#include "comm/comm.h"

/// The table of the runs' results, with the run that was the first at its goal. A history without
/// an epoch is that of a run that diverged. `goals`: per cent, of each run; 0: it has none.
std::string race_table(const std::vector<NamedHistory>& runs, const std::vector<double>& goals);

/// Runs the race on all ranks. Returns exit_check_failed if a run diverged.
int race(const Comm& comm, const RaceOptions& options);
