// notes.h: what a person must know beside a result, so that nobody takes it for more than it is.
//
// A note is one line: what was found, in what, what it means for the result, what to do. A command
// that prints text for people prints its notes on standard output, before the result. A command
// that prints JSON has them in "notes". One whose lines other programs read, as predict, prints
// them on standard error.
#pragma once
#include <cstdio>
#include <string>

/// "# note       TEXT", with the control characters taken out. Call it on rank 0.
void print_note(const std::string& text, std::FILE* to = stdout);
