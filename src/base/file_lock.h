// file_lock.h: a lock that only one process has at a time, and that ends with it, however it ends.
//
// It is a file that the process holds by flock(). The kernel lets go of it when the process ends or
// crashes, so no lock is ever left over. On NFS the server does the same. The file holds the
// owner's name for messages, "process 17 on HOST"; the lock is not its contents. A process that
// ends in order removes the file; a file that stays is no lock.
#pragma once
#include <filesystem>
#include <string>

class FileLock {
  public:
    enum class State { held, taken, unsupported };

    /// Makes the file if there is none, and tries to lock it; does not wait. `taken`: another
    /// process has the lock. `unsupported`: this file system has no locks, or the file cannot be
    /// made.
    explicit FileLock(std::filesystem::path file);
    ~FileLock();
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

    State state() const { return state_; }
    /// taken: who has the lock; unsupported: the system's reason. Else empty.
    const std::string& why() const { return why_; }

  private:
    bool try_once();

    std::filesystem::path file_;
    int descriptor_ = -1;
    State state_ = State::unsupported;
    std::string why_;
};
