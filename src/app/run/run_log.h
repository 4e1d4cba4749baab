// run_log.h: files with a line for each epoch and, with -p, for each reported step: CSV and JSON.
//
// Other programs read them. So a column never changes its meaning, and losses and accuracies have
// all digits. Each line goes to the file at once, so the file always shows how far a run is. If the
// disk is full, the file ends with its last whole line. A machine that breaks down may leave a line
// incomplete; a resumed run cuts that off.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "app/run/history.h"
#include "app/run/output_file.h"
#include "neural_network.h"

/// --csv. Columns: epoch,step,loss,accuracy,images_per_second,seconds; epochs and steps count from
/// 1; an epoch's row has its number of steps in `step`; a step's row leaves fields that are not
/// known then empty, and an epoch's row leaves an accuracy of NaN empty. --jsonl: each line is one
/// JSON object with the same names, without empty fields; a loss that is not finite is null. With
/// an empty file name, nothing is written.
class RunLog {
  public:
    enum class Format { csv, jsonl };
    /// A log without a file.
    RunLog() = default;
    /// Throws the InputError that the constructor would throw, and changes nothing.
    static void check(const std::string& name, Format format, const TrainingState& from);
    /// Throws InputError if the file cannot be written. A run that goes on after `from` keeps the
    /// earlier run's lines up to `from`, and throws InputError if the file is not such a log. If
    /// from = {}, the file is written anew.
    RunLog(std::string name, Format format, const TrainingState& from);
    /// Both throw Failure if the line cannot be written; the lines before it are still whole.
    void write_epoch(const EpochRow& row, int steps);
    void write_step(int epoch, int step, double loss);
    /// Brings the file to the disk and closes it. Throws Failure. No line can follow.
    void finish();

  private:
    using Fields = std::array<std::string, 6>;  ///< one for each column
    void write_row(const Fields& fields);
    void write_line(const std::string& line);
    std::string loss_of(double loss) const;
    void cut_back();  ///< to the whole lines; a file without one goes
    std::string flag() const;

    std::string name_;
    Format format_ = Format::csv;
    File file_;
    std::uintmax_t whole_ = 0;  ///< bytes of whole lines
};
