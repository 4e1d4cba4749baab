// output_file.h: the files that a flag names for a run to write.
//
// A training may take hours before its plot or page is written. So every flag first checks, with
// the same messages, that its file can be written. The check leaves no empty file behind. Plots and
// pages are whole or not there (base/whole_file.h); a log grows, and is read while it grows.
#pragma once
#include <cstdio>
#include <memory>
#include <string>

#include "base/error.h"

/// "--plot chart.svg", for messages, safe to print (harmless()).
std::string named(const std::string& flag, const std::string& file);

/// The error if `file`, named by `flag`, cannot be written because of `reason`.
InputError not_writable(const std::string& flag, const std::string& file,
                        const std::string& reason);
/// The error if writing fails half-way, for example on a full disk.
Failure not_written(const std::string& flag, const std::string& file, const std::string& reason);

/// Throws not_writable() if the file cannot be written: as a whole, or with `grows` line by line.
/// Makes and changes nothing.
void check_writable(const std::string& flag, const std::string& file, bool grows = false);

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

/// Opens the file with mode "w" or "a". Throws not_writable().
File open_output(const std::string& flag, const std::string& file, const char* mode);

/// Makes `text` the whole file, or leaves the old one. A device or a pipe gets it as it comes.
/// Throws InputError if the file cannot be made, Failure if writing fails.
void write_file(const std::string& flag, const std::string& file, const std::string& text);
