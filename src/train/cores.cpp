// cores.cpp: reads the binding by Linux's sched_getaffinity, the cores from its list of hardware
// threads, and the quota from control groups of version 2.
#include "train/cores.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <sstream>
#include <vector>

namespace {

/// 1 for each processor that this process may run on, 0 for the others.
std::vector<int> allowed_processors() {
    std::array<cpu_set_t, 8> sets;  // for 8192 processors: one set is too short for some machines
    for (cpu_set_t& set : sets) CPU_ZERO(&set);
    std::vector<int> allowed(sets.size() * CPU_SETSIZE);
    if (sched_getaffinity(0, sizeof sets, sets.data()) == 0)
        for (std::size_t p = 0; p < allowed.size(); ++p)
            allowed[p] = CPU_ISSET_S(p, sizeof sets, sets.data()) ? 1 : 0;
    return allowed;
}

/// The number of allowed processors that are hardware threads of the same core as p. They share the
/// core's arithmetic units.
int threads_of_core(std::size_t p, const std::vector<int>& allowed) {
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(p) +
                       "/topology/thread_siblings_list");
    int count = 0;
    char separator = ',';
    for (std::size_t first = 0; separator == ',' && file >> first;) {  // "0,4" or "0-1"
        std::size_t last = first;
        if (file >> separator && separator == '-') file >> last >> separator;
        for (std::size_t q = first; q <= last && q < allowed.size(); ++q) count += allowed[q];
        if (!file) break;
    }
    return std::max(1, count);
}

/// The least quota of this process's control group and of the groups that contain it; 0: no quota.
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
    const std::vector<int> mine = allowed_processors();  // empty if the system does not say
    std::vector<int> users = mine;  // for each processor: ranks of this node that may run there
    comm.sum_on_node(users);
    double share = 0;
    for (std::size_t p = 0; p < users.size(); ++p)
        if (mine[p] > 0) share += 1.0 / users[p] / threads_of_core(p, mine);
    if (const int quota = quota_cores(); quota > 0)
        share = std::min(share, static_cast<double>(quota) / comm.node_size());
    return std::max(1, static_cast<int>(share + 1e-9));
}
