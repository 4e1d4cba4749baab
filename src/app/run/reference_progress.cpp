// reference_progress.cpp: prints the share of the steps, and guesses the time for the others.
#include "app/run/reference_progress.h"

#include <cstdio>

#include "app/report/terminal.h"

ReferenceProgress::ReferenceProgress() : terminal_(on_terminal()), every_(terminal_ ? 0.5 : 10) {}

ReferenceProgress::~ReferenceProgress() {
    if (open_) std::printf("\r\033[K");
}

void ReferenceProgress::tell(std::size_t done, std::size_t all) {
    const double seconds = watch_.seconds();
    if (seconds - told_ < every_) return;
    told_ = seconds;
    const double share = static_cast<double>(done) / static_cast<double>(all);
    std::printf("%s# reference  %.0f %% of its steps, %.1f s left%s", terminal_ ? "\r\033[K" : "",
                100 * share, seconds / share * (1 - share), terminal_ ? "" : "\n");
    open_ = terminal_;
    std::fflush(stdout);
}
