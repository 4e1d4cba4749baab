// npz_bytes.h: .npy arrays and .npz archives, written byte by byte as their formats say.
//
// So the readers are not tested by NumPy's or libzip's own idea of a file, and sizes can lie.
#pragma once
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace npz_bytes {

using Bytes = std::vector<std::uint8_t>;

inline void append(Bytes& bytes, std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}
inline void append(Bytes& bytes, const std::string& text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
}
template <class Number>
Bytes bytes_of(const std::vector<Number>& values) {
    Bytes bytes(values.size() * sizeof(Number));
    if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

/// A .npy file of this dictionary and these bytes.
inline Bytes npy_of(const std::string& dictionary, const Bytes& data, int major = 1) {
    Bytes bytes;
    append(bytes, "\x93NUMPY");
    append(bytes, static_cast<std::uint64_t>(major), 2);
    append(bytes, dictionary.size() + 1, major == 1 ? 2 : 4);
    append(bytes, dictionary + "\n");
    bytes.insert(bytes.end(), data.begin(), data.end());
    return bytes;
}
/// `shape` as Python writes it: "(2, 3)".
inline Bytes npy(const std::string& type, const std::string& shape, const Bytes& data,
                 bool fortran = false) {
    return npy_of("{'descr': '" + type + "', 'fortran_order': " + (fortran ? "True" : "False") +
                      ", 'shape': " + shape + ", }",
                  data);
}

struct Entry {
    std::string name;
    Bytes data;
    std::uint32_t size_said = 0;  ///< unpacked; 0: the true one
    bool deflated = false;
};

inline Bytes deflated(const Bytes& data) {
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    Bytes packed(deflateBound(&stream, static_cast<uLong>(data.size())));
    stream.next_in = const_cast<std::uint8_t*>(data.data());
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = packed.data();
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

/// A zip file. Source of the layout: PKWARE's APPNOTE, 4.3.
inline Bytes zip_of(const std::vector<Entry>& entries) {
    Bytes bytes, directory;
    for (const Entry& entry : entries) {
        const Bytes packed = entry.deflated ? deflated(entry.data) : entry.data;
        const std::uint64_t place = bytes.size();
        Bytes common;  // from the version needed to the length of the extra field
        append(common, 20, 2);
        append(common, 0, 2);
        append(common, entry.deflated ? 8 : 0, 2);
        append(common, 0x21, 4);
        append(common,
               crc32(0, entry.data.empty() ? nullptr : entry.data.data(),
                     static_cast<uInt>(entry.data.size())),
               4);
        append(common, packed.size(), 4);
        append(common, entry.size_said > 0 ? entry.size_said : entry.data.size(), 4);
        append(common, entry.name.size(), 2);
        append(common, 0, 2);
        append(bytes, 0x04034b50, 4);
        bytes.insert(bytes.end(), common.begin(), common.end());
        append(bytes, entry.name);
        bytes.insert(bytes.end(), packed.begin(), packed.end());
        append(directory, 0x02014b50, 4);
        append(directory, 20, 2);
        directory.insert(directory.end(), common.begin(), common.end());
        append(directory, 0, 2);  // comment
        append(directory, 0, 2);  // disk
        append(directory, 0, 6);  // attributes
        append(directory, place, 4);
        append(directory, entry.name);
    }
    const std::uint64_t begin = bytes.size();
    bytes.insert(bytes.end(), directory.begin(), directory.end());
    append(bytes, 0x06054b50, 4);
    append(bytes, 0, 4);
    append(bytes, entries.size(), 2);
    append(bytes, entries.size(), 2);
    append(bytes, directory.size(), 4);
    append(bytes, begin, 4);
    append(bytes, 0, 2);
    return bytes;
}

}  // namespace npz_bytes
