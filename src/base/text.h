// text.h: texts that several parts of the program print in the same way.
//
// predict, evaluate and inspect build their output as strings, so that tests can read it. These
// functions make parts of those strings.
#pragma once
#include <cstddef>
#include <string>

/// What printf would print.
[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...);

/// A user's text of any length, safe to print in one line (harmless(), error.h).
std::string one_line(const std::string& text);

/// "1 rank", "2 ranks"
std::string counted(std::size_t count, const std::string& noun);

/// "512 bytes", "12.3 KB", "4.57 MB": a KB is 1000 bytes, and there are three digits.
std::string bytes_text(double bytes);

/// "97.53 %" for the fraction 0.9753; "-" for NaN.
std::string percent(double part);

/// How far a training has come: "1 epoch", "2 epochs and 37 steps of the next".
std::string progress_text(int epochs, int steps);

/// Prints to standard output and flushes it, so that later lines on standard error appear later.
void print(const std::string& text);

/// Prints "main: message" to standard error, in one line.
void print_error(const std::string& message);
