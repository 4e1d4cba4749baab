// output_file.cpp: asks the system, and writes with every call checked.
#include "app/run/output_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/whole_file.h"

namespace fs = std::filesystem;

namespace {

/// True for a device or a pipe, which cannot be replaced by a file.
bool is_special(const std::string& file) {
    std::error_code unknown;
    const fs::file_status status = fs::status(file, unknown);
    return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

/// Why a file that is to be made cannot be. Of its name, only the folder has to be there.
std::string why_not(int error) {
    return error == ENOENT ? "there is no such folder" : std::strerror(error);
}

}  // namespace

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

void check_writable(const std::string& flag, const std::string& file, bool grows) {
    std::error_code unknown;
    if (file.empty()) throw not_writable(flag, file, "the name is empty");
    if (fs::is_directory(file, unknown)) throw not_writable(flag, file, "it is a folder");
    const auto check = [&](const std::string& place, int rights) {
        if (access(place.c_str(), rights) != 0) throw not_writable(flag, file, why_not(errno));
    };
    const bool there = fs::exists(file, unknown);
    if (there) check(file, W_OK);
    if (there && (grows || is_special(file))) return;
    // A whole file gets its name in its folder; through a link, in the folder of what it points to.
    fs::path target = fs::weakly_canonical(file, unknown);
    if (target.empty()) target = file;
    const fs::path folder = target.parent_path();
    check(folder.empty() ? "." : folder.string(), W_OK | X_OK);
}

File open_output(const std::string& flag, const std::string& file, const char* mode) {
    File out(std::fopen(file.c_str(), mode));
    if (!out) throw not_writable(flag, file, why_not(errno));
    return out;
}

void write_file(const std::string& flag, const std::string& file, const std::string& text) {
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    if (!is_special(file)) return write_whole_file(file, bytes);
    const File out = open_output(flag, file, "w");
    if (const int error = write_all(fileno(out.get()), bytes))
        throw not_written(flag, file, std::strerror(error));
}
