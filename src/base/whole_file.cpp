// whole_file.cpp: open, write, fsync and rename, every call checked.
#include "base/whole_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <new>
#include <string_view>
#include <system_error>

#include "base/error.h"

namespace fs = std::filesystem;

namespace {

std::string shown(const fs::path& file) { return harmless(file.string(), 4096); }

[[noreturn]] void cannot_read(const fs::path& file, const std::string& wanted,
                              const std::string& found) {
    refuse(file.string(), wanted, found, "check the name and its permissions");
}

/// A file descriptor that its destructor closes.
class Descriptor {
  public:
    Descriptor(const fs::path& file, int flags) : number_(::open(file.c_str(), flags, 0666)) {}
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    operator int() const { return number_; }
    int close() {
        const int status = ::close(number_);
        number_ = -1;
        return status;
    }

  private:
    int number_;
};

constexpr std::string_view temporary_mark = ".tmp-";

/// True if `name` is a temporary name and its writer is a process of this machine that has ended.
bool writer_is_gone(const std::string& name) {
    const std::string_view rest =
        std::string_view(name).substr(name.rfind(temporary_mark) + temporary_mark.size());
    pid_t writer = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), writer);
    if (error != std::errc{} || writer <= 0) return false;
    const std::string_view host(end, static_cast<std::size_t>(rest.data() + rest.size() - end));
    return host == "-" + host_name() && ::kill(writer, 0) != 0 && errno == ESRCH;
}

/// Returns 0, or the error of the call that failed; `call` becomes the name of that call.
int write_and_sync(Descriptor& file, std::span<const std::uint8_t> bytes, const char*& call) {
    call = "write";
    if (const int error = write_all(file, bytes)) return error;
    call = "fsync";
    while (::fsync(file) != 0)
        if (errno != EINTR) return errno;
    call = "close";
    return file.close() != 0 ? errno : 0;
}

/// Brings the new name to the disk. File systems that cannot do this answer EINVAL.
int sync_folder(const fs::path& folder) {
    const Descriptor descriptor(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return errno;
    return ::fsync(descriptor) != 0 && errno != EINVAL ? errno : 0;
}

[[noreturn]] void cannot_make(const fs::path& file, const std::string& found) {
    refuse(file.string(), "a file that can be made", found,
           "give a name in a folder that is there and that you may write to");
}

}  // namespace

std::string host_name() {
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    return name.data();
}

std::vector<std::uint8_t> read_whole_file(const fs::path& file, const std::string& wanted,
                                          std::size_t most) {
    // Without O_NONBLOCK, open() could wait for ever at a pipe.
    const Descriptor descriptor(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) cannot_read(file, wanted, error_text(errno));
    struct stat about {};
    if (::fstat(descriptor, &about) != 0) cannot_read(file, wanted, error_text(errno));
    if (S_ISDIR(about.st_mode)) cannot_read(file, wanted, "a directory");
    if (!S_ISREG(about.st_mode)) cannot_read(file, wanted, "a pipe or a device");
    try {
        std::vector<std::uint8_t> bytes(std::min(most, static_cast<std::size_t>(about.st_size)));
        for (std::size_t have = 0; have < bytes.size();) {
            const ssize_t got = ::read(descriptor, bytes.data() + have, bytes.size() - have);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) cannot_read(file, wanted, error_text(errno));
            if (got == 0) bytes.resize(have);  // the file was cut meanwhile
            have += static_cast<std::size_t>(got);
        }
        return bytes;
    } catch (const std::bad_alloc&) {
        throw Failure(__FILE__, __LINE__, "reading " + shown(file), "out of memory",
                      "is this the right file? Otherwise use a machine with more memory");
    }
}

int write_all(int descriptor, std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return 0;
}

void write_whole_file(const fs::path& file, std::span<const std::uint8_t> bytes) {
    std::error_code ignored;
    fs::path target = fs::weakly_canonical(file, ignored);
    if (target.empty()) target = file;
    // A rename over /dev/null would take it away from all programs.
    const fs::file_status status = fs::status(target, ignored);
    if (fs::is_directory(status)) cannot_make(file, "a directory");
    if (fs::exists(status) && !fs::is_regular_file(status)) cannot_make(file, "a pipe or a device");

    const fs::path folder = target.has_parent_path() ? target.parent_path() : ".";
    remove_half_written(folder, target.filename().string() + std::string(temporary_mark));
    fs::path temporary = target;
    temporary += std::string(temporary_mark) + std::to_string(::getpid()) + "-" + host_name();
    Descriptor descriptor(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    if (descriptor < 0) cannot_make(file, errno == ENOENT ? "no such folder" : error_text(errno));
    const char* call = "";
    int error = write_and_sync(descriptor, bytes, call);
    if (error == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) {
        call = "rename";
        error = errno;
    }
    if (error != 0) {
        ::unlink(temporary.c_str());
    } else {
        call = "fsync of the folder";
        error = sync_folder(folder);
    }
    if (error != 0)
        throw Failure(__FILE__, __LINE__, std::string(call) + " for " + shown(file),
                      std::generic_category().message(error),
                      "see whether its disk is full or broken");
}

void remove_half_written(const fs::path& folder, const std::string& prefix) {
    std::error_code error, ignored;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (!name.starts_with(prefix) || name.find(temporary_mark) == std::string::npos ||
            !entry->is_regular_file(ignored))
            continue;
        const auto changed = entry->last_write_time(ignored);
        const bool old =
            !ignored && fs::file_time_type::clock::now() - changed > std::chrono::hours(1);
        if (old || writer_is_gone(name)) fs::remove(entry->path(), ignored);
    }
}
