// full_disk.h: a process whose files cannot grow, as on a full disk.
//
// A limit on the size of a file needs no right, unlike a small file system. A write beyond it fails
// half-way, after the bytes that still fit.
#pragma once
#include <sys/resource.h>

#include <csignal>

/// While it lives, no file can grow beyond so many bytes: as on a full disk.
class SmallFiles {
  public:
    explicit SmallFiles(rlim_t bytes) {
        getrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit small{bytes, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
    }
    ~SmallFiles() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, SIG_DFL);
    }
    SmallFiles(const SmallFiles&) = delete;
    SmallFiles& operator=(const SmallFiles&) = delete;

  private:
    rlimit before_{};
};
