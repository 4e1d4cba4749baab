// banner.cpp: prints the text before and after a run.
#include "app/report/banner.h"

#include <cmath>
#include <cstdio>

#include "app/report/notes.h"
#include "app/report/update_text.h"
#include "base/text.h"

namespace {

std::string loss_scale_words(const LossScaling& scaling) {
    if (scaling.is_dynamic) return "; loss scale dynamic";
    return scaling.fixed == 1 ? "" : formatted("; loss scale %.0f", scaling.fixed);
}
std::string async_words(const AsyncSettings& async) {
    return (async.bound == Ledger::unbounded
                ? std::string("asynchronous, without a bound")
                : "asynchronous, at most " +
                      counted(static_cast<std::size_t>(async.bound), "other update") +
                      " from a fetch to its update") +
           "; no promise of bits: equal runs differ";
}

}  // namespace

std::string staleness_words(const Staleness& staleness) {
    std::string words;
    for (std::size_t row = 0; row < staleness.updates.size(); ++row) {
        const double updates = staleness.updates[row];
        if (updates == 0) continue;
        const std::uint64_t first = row == 0 ? 0 : std::uint64_t{1} << (row - 1);
        words += std::to_string(first);
        if (row > 1) words += "-" + std::to_string(2 * first - 1);
        words += formatted(": %.1f %%, ", 100 * updates / staleness.all());
    }
    return words + formatted("of %.0f updates; %.2f in the mean, %d at most", staleness.all(),
                             staleness.sum / staleness.all(), staleness.most);
}

void print_banner(const TrainOptions& options, const RunSummary& summary) {
    const Training& t = options.training;
    std::printf("# main %s, %s\n", program_version, nn_real_name);
    const std::size_t ranks = summary.rank_devices.size();
    std::printf("# MPI        %s, %s%s\n", summary.mpi_version.c_str(),
                counted(ranks, "rank").c_str(),
                ranks == 1 ? "" : (", " + summary.reduction).c_str());
    if (summary.replicas > 1)
        std::printf("# replicas   %d, one a %s\n", summary.replicas,
                    static_cast<std::size_t>(summary.replicas) == ranks ? "rank" : "node");
    std::printf("# CUDA       %s\n", summary.cuda.c_str());
    for (std::size_t r = 0; r < summary.rank_devices.size(); ++r)
        std::printf("# rank %-5zu %s\n", r, summary.rank_devices[r].c_str());
    const Sets& sets = summary.sets;
    if (sets.is_table)
        std::printf(
            "# data       %s: %zu training, %zu held out samples of %zu inputs, %d outputs\n",
            options.csv_data.c_str(), sets.train_count, sets.held_out_count, sets.train.features(),
            sets.train.classes);
    else
        std::printf("# data       %s: %zu training, %zu held out, %zu test images of %d x %d\n",
                    options.data.c_str(), sets.train_count, sets.held_out_count, sets.test_count,
                    sets.train.rows, sets.train.cols);
    const std::string hidden = summary.layout.layers() > 1
                                   ? std::string(" ") + name_of(options.activation) + " units;"
                                   : "";
    std::printf("# network    %s, %zu parameters;%s %s, %s\n", sizes_text(summary.layout).c_str(),
                summary.layout.total(), hidden.c_str(), name_of(options.objective.output),
                name_of(options.objective.loss));
    std::printf("# training   %s, batch %d, rate %s, reg %g, seed %llu\n",
                counted(static_cast<std::size_t>(t.epochs), "epoch").c_str(), t.batch,
                rate_text(t).c_str(), t.reg, static_cast<unsigned long long>(t.seed));
    if (options.accumulate > 1)
        std::printf("# accumulate %d slices of %d samples for each update\n", options.accumulate,
                    t.batch / options.accumulate);
    if (is_small(options.device.precision))
        std::printf("# precision  %s, emulated: of what is multiplied; the rest is float%s\n",
                    name_of(options.device.precision), loss_scale_words(t.loss_scaling).c_str());
    if (options.device.fixed_order)
        std::printf(
            "# sums       in a fixed order: the same bits at any number of ranks, threads and "
            "nodes\n");
    if (options.local_steps > 0)
        std::printf("# sync       after %s of each rank alone; outer momentum %g, outer rate %g\n",
                    counted(static_cast<std::size_t>(options.local_steps), "step").c_str(),
                    options.outer.momentum, options.outer.rate);
    if (options.async) std::printf("# sync       %s\n", async_words(*options.async).c_str());
    if (t.rule != Rule{}) std::printf("# update     %s\n", rule_text(t.rule).c_str());
    std::printf("# samples    %s%s\n", t.shuffled ? "shuffled each epoch" : "in the file's order",
                sets.is_table        ? ""
                : options.raw_pixels ? ", pixels 0..255"
                                     : ", pixels 0..1");
    for (const std::string& note : sets.notes) print_note(note);
    if (!summary.resumed.empty()) std::printf("# resume     %s\n", summary.resumed.c_str());
    if (!summary.rounding.empty())
        std::printf("# rounding   not as in the checkpoint's run: %s\n", summary.rounding.c_str());
    std::fflush(stdout);
}

void print_footer(const Sets& sets, const Outcome& outcome) {
    const Evaluation& last = outcome.last;
    const TimeSplit& times = outcome.times;
    if (sets.has_classes)
        std::printf("# %s accuracy %.2f %% (%ld of %zu), loss %.5f\n", sets.final_name(),
                    100 * last.accuracy,
                    std::lround(last.accuracy * static_cast<double>(sets.final_count())),
                    sets.final_count(), last.loss);
    else
        std::printf("# %s loss %.5f\n", sets.final_name(), last.loss);
    std::printf(
        "# time %.2f s: data %.2f, compute %.2f, communication %.2f, evaluation %.2f, "
        "other %.2f (rank 0)\n",
        outcome.seconds, times.data, times.compute, times.communication, times.evaluation,
        outcome.seconds - times.data - times.compute - times.communication - times.evaluation);
    std::printf("# feed %s%s\n", name_of(outcome.feed),
                outcome.feed == outcome.asked
                    ? ""
                    : ": the training set does not fit on the device of every rank");
    if (outcome.bytes_a_step > 0)
        std::printf("# sent %s a step from each rank\n", bytes_text(outcome.bytes_a_step).c_str());
    if (outcome.loss_scale.scale > 0)
        std::printf(
            "# loss scale %.0f at the end; %s made no update, for the gradient was not finite\n",
            outcome.loss_scale.scale,
            counted(static_cast<std::size_t>(outcome.loss_scale.skipped), "step").c_str());
    if (outcome.staleness.all() > 0)
        std::printf("# staleness  %s\n", staleness_words(outcome.staleness).c_str());
    if (outcome.hidden >= 0)
        std::printf(
            "# hidden %.0f %% of the time in which sums were under way: rank 0 computed "
            "meanwhile\n",
            100 * outcome.hidden);
    if (outcome.ranks_agree) std::printf("# ranks agree: all hold the same bits\n");
    std::fflush(stdout);
}

void print_written(const OutputFiles& outputs) {
    std::string files;
    for (const auto& [flag, name] : outputs.all())
        if (!name.empty()) files += (files.empty() ? "" : ", ") + one_line(name);
    if (!files.empty()) std::printf("# written    %s\n", files.c_str());
}
