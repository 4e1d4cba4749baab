// output_file.cpp: asks the system, and writes with every call checked.
#include "app/run/output_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace fs = std::filesystem;

std::string named(const std::string& flag, const std::string& file) {
    return flag + " " + harmless(file, 4096);
}

InputError not_writable(const std::string& flag, const std::string& file,
                        const std::string& reason) {
    return InputError(named(flag, file) + ": cannot be written (" + reason +
                      "); name a file in a folder that exists and is yours");
}

Failure not_written(const std::string& flag, const std::string& file, const std::string& reason) {
    return {__FILE__, __LINE__, "writing " + named(flag, file), reason,
            "free some space, or name another file"};
}

void check_writable(const std::string& flag, const std::string& file) {
    std::error_code unknown;
    if (file.empty() || fs::is_directory(file, unknown))
        throw not_writable(flag, file, std::strerror(file.empty() ? ENOENT : EISDIR));
    const bool there = fs::exists(file, unknown);
    const fs::path folder = fs::path(file).parent_path();
    const std::string asked = there ? file : folder.empty() ? "." : folder.string();
    if (access(asked.c_str(), there ? W_OK : W_OK | X_OK) != 0)
        throw not_writable(flag, file, std::strerror(errno));
}

File open_output(const std::string& flag, const std::string& file, const char* mode) {
    File out(std::fopen(file.c_str(), mode));
    if (!out) throw not_writable(flag, file, std::strerror(errno));
    return out;
}

void write_file(const std::string& flag, const std::string& file, const std::string& text) {
    const File out = open_output(flag, file, "w");
    std::fwrite(text.data(), 1, text.size(), out.get());
    if (std::fflush(out.get()) != 0 || std::ferror(out.get()) != 0)
        throw not_written(flag, file, std::strerror(errno));
}
