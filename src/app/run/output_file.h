// output_file.h: the files that a flag names for a run to write.
//
// A training may take hours before its plot or page is written. So whether the file can be written
// is asked before, by every flag in the same words, and without leaving an empty file behind.
#pragma once
#include <cstdio>
#include <memory>
#include <string>

#include "base/error.h"

/// "--plot chart.svg", for messages: the user's words made harmless.
std::string named(const std::string& flag, const std::string& file);

/// What is thrown where `file`, named by `flag`, cannot be written because of `reason`.
InputError not_writable(const std::string& flag, const std::string& file,
                        const std::string& reason);
/// The same where writing fails half-way: a full disk.
Failure not_written(const std::string& flag, const std::string& file, const std::string& reason);

/// Throws not_writable() where the file could not be written. Makes and changes nothing.
void check_writable(const std::string& flag, const std::string& file);

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

/// Opens it, mode "w" or "a". Throws not_writable().
File open_output(const std::string& flag, const std::string& file, const char* mode);

/// Writes `text` as the whole file. Throws not_writable() or not_written().
void write_file(const std::string& flag, const std::string& file, const std::string& text);
