// text.h: words that several parts of the program print alike.
//
// What predict, evaluate and inspect tell is made as strings, which tests can read, and printed in
// one place each. These are the pieces.
#pragma once
#include <cstddef>
#include <string>

/// What printf would print.
[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...);

/// The user's words at any length, harmless in one line of a terminal (error.h).
std::string one_line(const std::string& text);

/// "1 rank", "2 ranks"
std::string counted(std::size_t count, const std::string& noun);

/// "97.53 %"; "-" of what is not defined (NaN).
std::string percent(double part);

/// How far a training is: "1 epoch", "2 epochs and 37 steps of the next".
std::string progress_text(int epochs, int steps);

/// Prints to standard output; what comes after it on standard error is seen after it.
void print(const std::string& text);

/// Prints "main: message" to standard error, in one line.
void print_error(const std::string& message);
