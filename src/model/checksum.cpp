// checksum.cpp: see checksum.h.
#include "model/checksum.h"

#include <zlib.h>

#include <array>
#include <cstdio>

std::string checksum_of_model(const std::map<std::string, std::string>& metadata,
                              const std::vector<std::span<const std::uint8_t>>& tensors) {
    uLong sum = crc32_z(0, nullptr, 0);
    const auto add = [&](const void* bytes, std::size_t size) {
        if (size > 0) sum = crc32_z(sum, static_cast<const Bytef*>(bytes), size);
    };
    for (const auto& [key, value] : metadata) {
        if (key == checksum_key) continue;
        add(key.c_str(), key.size() + 1);
        add(value.c_str(), value.size() + 1);
    }
    for (const auto& tensor : tensors) add(tensor.data(), tensor.size());
    std::array<char, 16> digits;
    std::snprintf(digits.data(), digits.size(), "%08lx", static_cast<unsigned long>(sum));
    return digits.data();
}
