// resume.cpp: settings and history as JSON; two signals that are noted instead of obeyed.
#include "train/resume.h"

#include <signal.h>
#include <zlib.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"

namespace {

template <class T>
unsigned long checksum(unsigned long so_far, const std::vector<T>& values) {
    const auto* bytes = reinterpret_cast<const Bytef*>(values.data());
    return crc32_z(so_far, bytes, values.size() * sizeof(T));
}

volatile std::sig_atomic_t signal_seen = 0;
void note_signal(int number) { signal_seen = number; }

const int stopping[] = {SIGUSR1, SIGTERM};
struct sigaction before[2];
sigset_t mask_before;

}  // namespace

std::string settings_of(const Options& options, const SampleSet& train,
                        const Parameters<nn_real>& initial) {
    const Training& t = options.training;
    unsigned long data = crc32_z(0, nullptr, 0);
    data = checksum(data, train.pixels);
    data = checksum(data, train.inputs);
    data = checksum(data, train.labels);
    data = checksum(data, train.targets);
    const nlohmann::ordered_json settings = {
        {"sizes", initial.layout.sizes()},
        {"output", name_of(options.objective.output)},
        {"loss", name_of(options.objective.loss)},
        {"batch", t.batch},
        {"learning-rate", t.rate},
        {"lr-decay", t.decay},
        {"reg", t.reg},
        {"shuffle", t.shuffled},
        {"seed", t.seed},
        {"raw-pixels", options.raw_pixels},
        {"type", nn_real_name},
        {"samples", train.count()},
        {"checksum of the samples", data},
        {"checksum of the first parameters", checksum(crc32_z(0, nullptr, 0), initial.values)},
    };
    return settings.dump();
}

void check_same_settings(const std::string& ours, const std::string& theirs,
                         const std::string& file) {
    const auto here = nlohmann::ordered_json::parse(ours);
    const auto there = nlohmann::ordered_json::parse(theirs, nullptr, false);
    for (const auto& [name, value] : here.items()) {
        const std::string found =
            there.is_object() && there.contains(name) ? there[name].dump() : "nothing";
        if (found == value.dump()) continue;
        throw InputError(formatted(
            "--resume: %s is of another run: its %s was %s, not %s; give the flags of that run, or "
            "name another folder",
            file.c_str(), name.c_str(), found.c_str(), value.dump().c_str()));
    }
}

std::string to_json(const History& history) {
    auto rows = nlohmann::json::array();
    for (const EpochRow& r : history)
        rows.push_back({r.epoch, r.loss, r.accuracy, r.images_per_second, r.seconds});
    return rows.dump();
}

History history_from(const std::string& json) {
    try {
        History history;
        for (const auto& row : nlohmann::json::parse(json)) {
            const auto& accuracy = row.at(2);  // JSON writes NaN as null
            history.push_back({row.at(0), row.at(1),
                               accuracy.is_null() ? std::nan("") : accuracy.get<double>(),
                               row.at(3), row.at(4)});
        }
        return history;
    } catch (const nlohmann::json::exception&) {
        return {};
    }
}

// No handler may run on a thread that computes: oneDNN's sgemm uses the stack pointer for something
// else meanwhile (uxlfoundation/oneDNN issue 4845, up to 3.11), and what the system puts on that
// stack for a handler destroys the heap. So this thread, and all that it starts from now on, block
// the signals. MPI's threads do not, and would obey them without the handler.
StopSignals::StopSignals() {
    signal_seen = 0;
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int number : stopping) sigaddset(&blocked, number);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask_before);
    struct sigaction noting = {};
    noting.sa_handler = note_signal;
    noting.sa_flags = SA_RESTART;
    for (int i = 0; i < 2; ++i) sigaction(stopping[i], &noting, &before[i]);
}
StopSignals::~StopSignals() {
    pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);  // what is pending is noted now
    for (int i = 0; i < 2; ++i) sigaction(stopping[i], &before[i], nullptr);
}
bool StopSignals::seen() {
    sigset_t pending;
    sigpending(&pending);
    for (const int number : stopping)
        if (sigismember(&pending, number) == 1) return true;
    return signal_seen != 0;
}
