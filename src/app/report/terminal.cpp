// terminal.cpp: asks the system, and looks for mpirun among this process's ancestors.
#include "app/report/terminal.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace {

/// The name and the parent of a process of this machine; parent 0 if it cannot be read.
struct Process {
    std::string name;
    int parent = 0;

    explicit Process(int id) {
        std::ifstream status("/proc/" + std::to_string(id) + "/status");
        for (std::string line; std::getline(status, line);) {
            std::istringstream words(line);
            std::string key;
            words >> key;
            if (key == "Name:") words >> name;
            if (key == "PPid:") words >> parent;
        }
    }
};

bool starts_ranks(const std::string& name) {
    for (const char* launcher : {"mpirun", "mpiexec", "orterun", "prterun", "orted", "prted"})
        if (name == launcher) return true;
    return false;
}

}  // namespace

bool on_terminal() {
    if (isatty(STDOUT_FILENO) == 0) return false;
    if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return true;
    int id = getppid();
    while (id > 1 && !starts_ranks(Process(id).name)) id = Process(id).parent;
    if (!starts_ranks(Process(id).name)) return false;
    std::error_code unreadable;
    const auto target =
        std::filesystem::read_symlink("/proc/" + std::to_string(id) + "/fd/1", unreadable);
    return !unreadable && target.string().starts_with("/dev/") && target != "/dev/null";
}
