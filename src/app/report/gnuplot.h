// gnuplot.h: runs gnuplot, for the one kind of picture that this program does not write itself.
//
// No shell is in between and no file name is in the script, so that nothing a user calls a file can
// be taken for a command.
#pragma once
#include <cstdio>
#include <optional>
#include <string>

/// Runs gnuplot with `script`, `out` its standard output. Returns nothing if that went well, and
/// otherwise one line with what gnuplot, or the system in its place, had to say.
std::optional<std::string> run_gnuplot(const std::string& script, std::FILE* out);
