// whole_file.h: files that are read whole, and files that are there whole or not at all.
//
// A model that a kill cut in two would be worse than none: it hides the one before. So a file is
// written under a temporary name, "NAME.tmp-PID-HOST", brought to the disk, and only then given its
// own name, which the system does in one go. The temporary name says who is writing, so that two
// runs never write to one file, and what a killed run left can be told from what is being written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

/// The first `most` bytes of a regular file. `wanted` ("a model file") is for messages. Throws
/// InputError where there is no such file or it cannot be read, Failure where memory is short.
std::vector<std::uint8_t> read_whole_file(
    const std::filesystem::path& file, const std::string& wanted,
    std::size_t most = std::numeric_limits<std::size_t>::max());

/// Makes `file`, or takes its place: temporary name, fsync, rename, fsync of the folder. A symbolic
/// link stays, and what it points to is written. Throws InputError where the file cannot be made,
/// Failure where writing fails; what was there is still there then. What an earlier run left half
/// written of this file is removed.
void write_whole_file(const std::filesystem::path& file, std::span<const std::uint8_t> bytes);

/// Removes from `folder` the temporary files whose names begin with `prefix` and that nobody is
/// writing: those of this machine whose process is gone, and those that have not changed for an
/// hour, wherever they came from. What cannot be removed is left.
void remove_half_written(const std::filesystem::path& folder, const std::string& prefix);
