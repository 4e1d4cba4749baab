// notes.cpp: prints a note.
#include "app/report/notes.h"

#include "base/error.h"

void print_note(const std::string& text, std::FILE* to) {
    std::fprintf(to, "# note       %s\n", harmless(text, 4096).c_str());
}
