// clock.cpp: a stack of spans; only the innermost one counts.
#include "base/clock.h"

namespace {

TimeSplit split;
Span* innermost = nullptr;

double& seconds_of(Work work) {
    switch (work) {
        case Work::data:
            return split.data;
        case Work::compute:
            return split.compute;
        case Work::communication:
            return split.communication;
        case Work::evaluation:
            break;
    }
    return split.evaluation;
}

}  // namespace

const TimeSplit& time_split() { return split; }
TimeSplit operator-(const TimeSplit& later, const TimeSplit& earlier) {
    return {later.data - earlier.data, later.compute - earlier.compute,
            later.communication - earlier.communication, later.evaluation - earlier.evaluation};
}

Span::Span(Work work) : work_(work), outer_(innermost) {
    if (outer_ != nullptr) {
        outer_->count();
        if (outer_->work_ == Work::evaluation) work_ = Work::evaluation;
    }
    innermost = this;
    start_ = Clock::now();
}

Span::~Span() {
    count();
    innermost = outer_;
    if (outer_ != nullptr) outer_->start_ = Clock::now();
}

void Span::count() {
    seconds_of(work_) += std::chrono::duration<double>(Clock::now() - start_).count();
}
