// npy.h: the header of NumPy's .npy format: an array's type, order and shape.
//
// A .npy file is "\x93NUMPY", a version (1.0, 2.0 or 3.0), the header's length (2 bytes, from 2.0
// on 4, little endian), the header, a Python dictionary of 'descr', 'fortran_order' and 'shape',
// and the numbers. The dictionary is parsed here by its grammar and never evaluated. Source: NumPy
// Enhancement Proposal 1, and numpy.lib.format.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/stored_type.h"

struct NpyHeader {
    StoredType type = StoredType::u8;
    bool first_index_fastest = false;  ///< Fortran's order; otherwise C's
    std::vector<std::uint64_t> shape;  ///< empty for a single number
    std::uint64_t data_begin = 0;      ///< where the numbers begin in the file
    std::uint64_t elements = 1;        ///< the product of the shape, at most 2^40

    std::uint64_t data_bytes() const { return elements * width_of(type); }
};

/// Every header that NumPy writes is shorter; a longer one is refused.
inline constexpr std::size_t longest_npy_header = std::size_t{1} << 16;

/// Parses the header at the beginning of an array's bytes, of which the first
/// longest_npy_header + 12 are enough. Throws InputError, one line about `name`, if the bytes are
/// no .npy file, are cut in the header, or have a type or an order of bytes that is not read here.
NpyHeader parse_npy_header(std::span<const std::uint8_t> bytes, const std::string& name);
