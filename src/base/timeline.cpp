// timeline.cpp: the record, in memory that is reserved before the first step.
#include "base/timeline.h"

#include <chrono>

namespace {

std::vector<timeline::Event> record;
bool on = false;
std::size_t steps_begun = 0, at_last_step = 0;

}  // namespace

namespace timeline {

void start(std::size_t most) {
    record.reserve(most);
    on = true;
}

void stop() { on = false; }

bool is_on() { return on; }

void step_begins() {
    if (!on) return;
    constexpr std::size_t few = 1000;  // for what comes between two epochs
    const std::size_t last = record.size() - at_last_step;
    at_last_step = record.size();
    on = record.capacity() - record.size() >= 2 * last + few;
    steps_begun += on;
}

void note(const Event& event) {
    if (on && record.size() < record.capacity()) record.push_back(event);
}
const std::vector<Event>& events() { return record; }
std::size_t steps() { return steps_begun; }

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace timeline

void Traced::note() const {
    if (record.size() < record.capacity())
        record.push_back({name_, number_, start_, timeline::now()});
}
