// gnuplot.cpp: a child process that reads the script from an unnamed file, and writes its picture
// and its messages to two others.
//
// They are files and not pipes, so that neither process can wait for the other.
#include "app/report/gnuplot.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "app/run/output_file.h"

namespace {

/// Returns a file without a name that holds `text`, ready to be read from its beginning.
File unnamed_file(const std::string& text) {
    File file(std::tmpfile());
    if (!file || std::fputs(text.c_str(), file.get()) < 0 || std::fflush(file.get()) != 0)
        throw Failure(__FILE__, __LINE__, "a temporary file for gnuplot", std::strerror(errno),
                      "free some space in the folder for temporary files");
    std::rewind(file.get());
    return file;
}

/// The words of the file, in one line, with one blank between them.
std::string words_of(std::FILE* file) {
    std::string words;
    std::rewind(file);
    for (int c = std::fgetc(file); c != EOF && words.size() < 300; c = std::fgetc(file)) {
        const bool blank = std::isgraph(c) == 0;
        if (!blank || (!words.empty() && words.back() != ' ')) words += blank ? ' ' : char(c);
    }
    return words;
}

/// Everything in the file.
std::string bytes_of(std::FILE* file) {
    std::string bytes;
    std::rewind(file);
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) bytes += char(c);
    return bytes;
}

}  // namespace

std::optional<std::string> run_gnuplot(const std::string& script, std::string& out) {
    const File in = unnamed_file(script), picture = unnamed_file(""), complaints = unnamed_file("");
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, fileno(in.get()), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(complaints.get()), STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(picture.get()), STDOUT_FILENO);
    std::array<char*, 2> arguments = {const_cast<char*>("gnuplot"), nullptr};
    pid_t child = 0;
    const int refused =
        posix_spawnp(&child, arguments[0], &files, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    if (refused != 0) return std::string(std::strerror(refused));
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    out = bytes_of(picture.get());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
    const std::string words = words_of(complaints.get());
    return words.empty() ? "it ended with status " + std::to_string(status) : words;
}
