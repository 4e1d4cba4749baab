// run_log.h: files with a line for each epoch and, with -p, for each reported step: CSV and JSON.
//
// They are for other programs, so a column never changes its meaning and losses and accuracies have
// all their digits. A line is in the file as soon as it is written: whoever looks sees how far a
// run is, and a run that is killed loses none but a torn last one, which a resumed run cuts off.
#pragma once
#include <array>
#include <string>

#include "app/run/history.h"
#include "app/run/output_file.h"
#include "neural_network.h"

/// --csv. Columns: epoch,step,loss,accuracy,images_per_second,seconds; epochs and steps count from
/// 1; an epoch's row has its number of steps in `step`; a step's row leaves what is not known then
/// empty, and so does an epoch's where accuracy is NaN. --jsonl: one JSON object a line with the
/// same names, without those that are empty; a loss that is not finite is null. Nothing is written
/// for an empty name.
class RunLog {
  public:
    enum class Format { csv, jsonl };
    /// Throws InputError if the file cannot be written. A run that goes on behind `from` keeps the
    /// lines up to there of what an earlier one wrote, and throws InputError where the file is not
    /// such a log. With from = {} the file is written anew.
    RunLog(std::string name, Format format, const TrainingState& from);
    /// Both throw Failure if the line cannot be written.
    void write_epoch(const EpochRow& row, int steps);
    void write_step(int epoch, int step, double loss);

  private:
    using Fields = std::array<std::string, 6>;  ///< one for each column
    void write_row(const Fields& fields);
    void write_line(const std::string& line);
    std::string loss_of(double loss) const;
    std::string flag() const { return format_ == Format::csv ? "--csv" : "--jsonl"; }

    std::string name_;
    Format format_;
    File file_;
};
