// agreed.cpp: a rank tells its settings or that it was refused, and each finds the same verdict.
#include "app/commands/agreed.h"

#include <algorithm>

#include "app/run/launcher.h"
#include "base/error.h"

namespace {

constexpr const char* refused = "refused\n";  // in place of the settings

/// Throws if the texts of the ranks are not the same settings. `mine`: why this rank's command line
/// was refused.
void check_texts(const Session& mpi, const std::vector<std::string>& texts,
                 const std::optional<InputError>& mine) {
    const auto first = std::ranges::find(texts, refused) - texts.begin();
    if (first == mpi.rank()) throw *mine;
    if (first < mpi.size()) throw InputErrorElsewhere{};
    const std::string difference = difference_of_settings(texts);
    if (difference.empty()) return;
    if (mpi.rank() > 0) throw InputErrorElsewhere{};
    throw InputError("the ranks were started with different settings: " + difference +
                     "; start the same ./main with the same flags on all ranks");
}

bool has(const Settings& settings, const Settings::value_type& setting) {
    return std::ranges::find(settings, setting) != settings.end();
}

}  // namespace

std::optional<Job> agreed_command(const Session& mpi, const Arguments& arguments) {
    std::optional<Job> job;
    std::optional<InputError> refusal;
    std::string text = refused;
    try {
        job = parse_command(arguments, false);
        text = job ? settings_text(job->settings) : "the command\t--help or --version\n";
    } catch (const InputError& error) {
        refusal = error;
    }
    check_texts(mpi, mpi.exchange(text), refusal);
    if (job && mpi.size() == 1 && !has(job->settings, {"--separate-runs", "true"}))
        refuse_lone_tasks(launched(), Comm::library_version());
    return job;
}
