// gnuplot.h: runs gnuplot, which draws PNG files; this program itself draws only SVG.
//
// No shell is involved and no file name is in the script. So no file name of a user can become a
// command.
#pragma once
#include <optional>
#include <string>

/// Runs gnuplot with `script`, and puts what it prints into `out`. Returns nothing on success, else
/// one line with the message of gnuplot or of the system.
std::optional<std::string> run_gnuplot(const std::string& script, std::string& out);
