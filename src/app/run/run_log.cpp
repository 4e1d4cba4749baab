// run_log.cpp: writes the lines, and finds the place where a resumed run goes on in an earlier
// run's file.
#include "app/run/run_log.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>

#include "base/text.h"
#include "base/whole_file.h"

namespace fs = std::filesystem;

namespace {

const std::array<std::string, 6> columns = {
    "epoch", "step", "loss", "accuracy", "images_per_second", "seconds"};

const char* flag_of(RunLog::Format format) {
    return format == RunLog::Format::csv ? "--csv" : "--jsonl";
}

std::string csv_line(const std::array<std::string, 6>& fields) {
    std::string line;
    for (const std::string& field : fields) line += (&field == &fields[0] ? "" : ",") + field;
    return line;
}

/// The fields as a JSON object; empty fields are left out.
std::string json_line(const std::array<std::string, 6>& fields) {
    std::string line;
    for (std::size_t i = 0; i < fields.size(); ++i)
        if (!fields[i].empty()) line += (i > 0 ? ",\"" : "{\"") + columns[i] + "\":" + fields[i];
    return line + "}";
}

/// The number with the fewest digits from which a reader gets the same number.
std::string exact(double number) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    return {text.data(), end};
}

/// The number of bytes of an earlier log up to `from`: whole lines, which are in the order of time.
/// Nothing if the run begins a log of its own. Throws InputError if the file is no log.
std::optional<std::uintmax_t> bytes_kept(const std::string& name, RunLog::Format format,
                                         const TrainingState& from) {
    std::error_code none;
    if (from == TrainingState{} || !fs::is_regular_file(name, none)) return {};
    const std::string what = named(flag_of(format), name);
    const bool csv = format == RunLog::Format::csv;
    const char* const shape = csv ? "%d,%d," : "{\"epoch\":%d,\"step\":%d,";
    std::ifstream file(name, std::ios::binary);
    if (!file)
        throw InputError(
            what + ": this log cannot be read, so the run cannot continue it; name another file");
    std::uintmax_t kept = 0;
    for (std::string line; std::getline(file, line) && !file.eof(); kept += line.size() + 1) {
        int epoch = 0, step = 0;
        const bool header = csv && kept == 0;
        if (header ? line != csv_line(columns)
                   : std::sscanf(line.c_str(), shape, &epoch, &step) != 2)
            throw InputError(
                what +
                ": this file is no log of this program, so the run cannot continue it; move "
                "it away, or name another file");
        if (epoch > from.epoch + 1 || (epoch == from.epoch + 1 && step > from.step)) break;
    }
    return kept;
}

}  // namespace

void RunLog::check(const std::string& name, Format format, const TrainingState& from) {
    if (name.empty()) return;
    check_writable(flag_of(format), name, true);
    bytes_kept(name, format, from);
}

RunLog::RunLog(std::string name, Format format, const TrainingState& from)
    : name_(std::move(name)), format_(format) {
    if (name_.empty()) return;
    const std::optional<std::uintmax_t> kept = bytes_kept(name_, format_, from);
    whole_ = kept.value_or(0);
    file_ = open_output(flag(), name_, kept ? "a" : "w");
    if (kept && ftruncate(fileno(file_.get()), static_cast<off_t>(whole_)) != 0)
        throw not_written(flag(), name_, std::strerror(errno));
    if (whole_ == 0 && format_ == Format::csv) write_line(csv_line(columns));
}

void RunLog::write_epoch(const EpochRow& row, int steps) {
    write_row({std::to_string(row.epoch), std::to_string(steps), loss_of(row.loss),
               std::isfinite(row.accuracy) ? exact(row.accuracy) : "",
               formatted("%.0f", row.images_per_second), formatted("%.3f", row.seconds)});
}

void RunLog::write_step(int epoch, int step, double loss) {
    write_row({std::to_string(epoch), std::to_string(step), loss_of(loss), "", "", ""});
}

std::string RunLog::flag() const { return flag_of(format_); }

/// JSON cannot express numbers that are not finite.
std::string RunLog::loss_of(double loss) const {
    return format_ == Format::csv || std::isfinite(loss) ? exact(loss) : "null";
}

void RunLog::write_row(const Fields& fields) {
    if (file_) write_line(format_ == Format::csv ? csv_line(fields) : json_line(fields));
}

void RunLog::write_line(const std::string& line) {
    const std::string text = line + "\n";
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    const int descriptor = fileno(file_.get());
    if (const int error = write_all(descriptor, bytes)) {
        cut_back();
        throw not_written(flag(), name_, std::strerror(error));
    }
    whole_ += text.size();
}

void RunLog::cut_back() {
    std::error_code ignored;
    if (ftruncate(fileno(file_.get()), static_cast<off_t>(whole_)) != 0) return;
    if (whole_ == 0 && fs::is_regular_file(fs::symlink_status(name_, ignored)))
        fs::remove(name_, ignored);
}

void RunLog::finish() {
    if (!file_) return;
    // A disk may say only now that it was full. A pipe has nothing to sync.
    int error = fsync(fileno(file_.get())) != 0 && errno != EINVAL ? errno : 0;
    if (std::fclose(file_.release()) != 0 && error == 0) error = errno;
    if (error != 0) throw not_written(flag(), name_, std::strerror(error));
}
