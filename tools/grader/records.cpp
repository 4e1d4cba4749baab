// records.cpp: reads a file that a submission may have written.
#include "records.h"

#include <cstring>
#include <iterator>
#include <sstream>

Records read_records(const std::string& path, const std::string& nonce) {
    std::ifstream file(path, std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    Records records;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t end = all.find('\n', at);
        if (end == std::string::npos) break;
        std::istringstream line(all.substr(at, end - at));
        std::string found, name;
        std::size_t count = 0;
        if (!(line >> found >> name >> count) || found != nonce) break;
        at = end + 1;
        if (count > (all.size() - at) / sizeof(double)) break;
        std::vector<double>& values = records[name];
        values.resize(count);
        if (count > 0) std::memcpy(values.data(), &all[at], count * sizeof(double));
        at += count * sizeof(double);
    }
    return records;
}
