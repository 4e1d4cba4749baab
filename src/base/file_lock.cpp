// file_lock.cpp: open, flock, and a look whether the file still has its name.
#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/whole_file.h"

namespace {

/// True if the open file is still the one with this name.
bool has_name(int descriptor, const std::filesystem::path& file) {
    struct stat open {
    }, named{};
    return ::fstat(descriptor, &open) == 0 && ::stat(file.c_str(), &named) == 0 &&
           open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

std::string owner_in(int descriptor) {
    std::array<char, 200> text{};
    const ssize_t bytes = ::pread(descriptor, text.data(), text.size(), 0);
    return bytes > 0 ? harmless({text.data(), static_cast<std::size_t>(bytes)}, text.size())
                     : "a process that has just begun";
}

}  // namespace

FileLock::FileLock(std::filesystem::path file) : file_(std::move(file)) {
    // The owner before may have removed the file between our open() and our flock().
    for (int tries = 0; tries < 100 && !try_once(); ++tries) why_ = "the file loses its name";
}

/// Returns false if the file that was locked has lost its name meanwhile.
bool FileLock::try_once() {
    descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    int error = descriptor_ < 0 ? errno : 0;
    while (error == 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
        if (errno != EINTR) error = errno;
    if (error == 0 && has_name(descriptor_, file_)) {
        state_ = State::held;
        const std::string owner = "process " + std::to_string(::getpid()) + " on " + host_name();
        const std::span bytes(reinterpret_cast<const std::uint8_t*>(owner.data()), owner.size());
        // A full disk only costs the name in a message.
        if (::ftruncate(descriptor_, 0) == 0) write_all(descriptor_, bytes);
        return true;
    }
    if (error == EWOULDBLOCK) {
        state_ = State::taken;
        why_ = owner_in(descriptor_);
    } else if (error != 0) {
        why_ = std::generic_category().message(error);
    }
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
    return error != 0;
}

FileLock::~FileLock() {
    if (descriptor_ < 0) return;
    ::unlink(file_.c_str());  // while it is locked, so that nobody else's file is removed
    ::close(descriptor_);
}
