// file_kind.h: what a file is that is not what it should be, told by its first bytes.
//
// A download that failed leaves a web page, and a clone without Git LFS leaves a pointer, each
// under the name of the data. The readers of networks and of sets name them for what they are.
#pragma once
#include <cstdint>
#include <span>
#include <string>

/// "a web page (HTML), not the data"; empty if the bytes begin like nothing known. 64 bytes are
/// enough.
std::string file_kind(std::span<const std::uint8_t> first);

inline constexpr const char* file_kind_advice =
    "this is not the data itself: get the file again, and look at what came (head FILE)";
