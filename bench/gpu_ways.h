// gpu_ways.h: which of a library's ways to multiply are ways of their own.
//
// A library may take a way that it does not have here for another, and say nothing: cuBLAS computes
// an emulation plainly on a GPU where that does not pay. A row of such a way would have a wrong
// name. A computation's bits are its own, so a way whose bits are the plain way's is the plain way.
#pragma once
#include <cstring>
#include <initializer_list>
#include <vector>

/// The plain way, which is the first, and those of the others that differ from it, found out by
/// trying: answer(way) is a vector of numbers, empty where the library cannot compute so. Nothing
/// if the plain way cannot be computed.
template <class Way, class Answer>
std::vector<Way> ways_of_their_own(std::initializer_list<Way> ways, Answer answer) {
    const auto plain = answer(*ways.begin());
    if (plain.empty()) return {};
    std::vector<Way> found{*ways.begin()};
    for (auto way = ways.begin() + 1; way != ways.end(); ++way) {
        const auto other = answer(*way);
        const bool can = other.size() == plain.size();
        if (can && std::memcmp(other.data(), plain.data(), plain.size() * sizeof(plain[0])) != 0)
            found.push_back(*way);
    }
    return found;
}
