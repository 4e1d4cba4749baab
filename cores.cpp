// cores.cpp: the binding by Linux's sched_getaffinity, the quota by control groups of version 2.
#include "cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <vector>

namespace {

/// The least quota of this process's control group and of those around it; 0: none.
int quota_cores() {
    int least = 0;
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        if (!line.starts_with("0::/")) continue;  // version 2 has one line, with this beginning
        for (std::string path = line.substr(3);; path.erase(path.find_last_of('/'))) {
            std::ifstream file("/sys/fs/cgroup" + path + "/cpu.max");
            std::string text;
            std::getline(file, text);
            const int cores = cores_of_quota(text);
            if (cores > 0) least = least == 0 ? cores : std::min(least, cores);
            if (path.find_last_of('/') == std::string::npos) break;
        }
    }
    return least;
}

}  // namespace

int cores_of_quota(const std::string& cpu_max) {
    std::istringstream words(cpu_max);
    double quota = 0, period = 0;
    if (!(words >> quota >> period) || quota <= 0 || period <= 0) return 0;
    return std::max(1, static_cast<int>(std::ceil(quota / period)));
}

int cores_of_this_rank(const Comm& comm) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    std::vector<int> users(CPU_SETSIZE);  // of each core: ranks of this node that may run there
    for (std::size_t c = 0; c < users.size(); ++c) users[c] = CPU_ISSET(c, &allowed) ? 1 : 0;
    const std::vector<int> mine = users;
    comm.sum_on_node(users);
    double share = 0;
    for (std::size_t c = 0; c < users.size(); ++c)
        if (mine[c] > 0) share += 1.0 / users[c];
    if (const int quota = quota_cores(); quota > 0)
        share = std::min(share, static_cast<double>(quota) / comm.node_size());
    return std::max(1, static_cast<int>(share + 1e-9));
}
