// resume.h: what a run has to know to be stopped and to go on: its settings, its signals.
#pragma once
#include <string>

#include "app/cli/options.h"
#include "app/run/history.h"
#include "input/sample_set.h"
#include "model/parameters.h"

/// Everything that decides which parameters a run ends with, but for the number of epochs and of
/// ranks: a JSON object, values by flag. The set and the first parameters are in it as checksums
/// (CRC-32).
std::string settings_of(const Options& options, const SampleSet& train,
                        const Parameters<nn_real>& initial);

/// Throws InputError naming the first setting that `file`'s run had otherwise.
void check_same_settings(const std::string& ours, const std::string& theirs,
                         const std::string& file);

/// The history as JSON, and back; what cannot be read gives an empty one.
std::string to_json(const History& history);
History history_from(const std::string& json);

/// While it lives, SIGUSR1 and SIGTERM are only noted. One object at a time, made before the
/// threads that compute.
class StopSignals {
  public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    static bool seen();  ///< on this rank
};
