// checksum.h: the checksum that a model file carries of its metadata and its parameters.
//
// A byte that a disk or a copy changed leaves a file that looks right and a network that is wrong.
// The sum is over values, not over the file's text: a program that writes the same file anew in
// another order may keep it.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

inline constexpr const char* checksum_key = "checksum";

/// CRC-32, as zip and gzip have it, in 8 hexadecimal digits: of each entry of `metadata` but the
/// checksum itself, by rising keys, the key and the value each with a zero byte behind it; then of
/// the bytes of W1, b1, W2, ..., and those of each moment, as they are in the file. It finds every
/// change of up to 32 bits in a row.
std::string checksum_of_model(const std::map<std::string, std::string>& metadata,
                              const std::vector<std::span<const std::uint8_t>>& tensors);
