// whole_file.h: reads whole files, and writes files that are either complete or absent.
//
// A half-written model would be worse than none, because it hides the one before. So a file is
// written under a temporary name, "NAME.tmp-PID-HOST", brought to the disk, and only then renamed,
// which the system does at once or not at all. The temporary name says which process is writing. So
// two runs never write to one file, and files that a killed run left can be told from those that
// are being written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

/// The first `most` bytes of a regular file. `wanted` ("a model file") is for messages. Throws
/// InputError if the file does not exist or cannot be read, Failure if memory is short.
std::vector<std::uint8_t> read_whole_file(
    const std::filesystem::path& file, const std::string& wanted,
    std::size_t most = std::numeric_limits<std::size_t>::max());

/// Makes or replaces `file`: temporary name, fsync, rename, fsync of the folder. A symbolic link
/// stays, and the file that it points to is written. Throws InputError if the file cannot be made,
/// Failure if writing fails; then the old file is still there. Removes what earlier runs left of
/// this file half written.
void write_whole_file(const std::filesystem::path& file, std::span<const std::uint8_t> bytes);

/// The system's name of this machine.
std::string host_name();

/// Writes all bytes to the open file `descriptor`. Returns 0, or the errno of the call that failed.
int write_all(int descriptor, std::span<const std::uint8_t> bytes);

/// Removes from `folder` the temporary files whose names begin with `prefix` and that no process is
/// writing: those of this machine whose process has ended, and those of any machine that have not
/// changed for an hour. A file that cannot be removed is left.
void remove_half_written(const std::filesystem::path& folder, const std::string& prefix);
