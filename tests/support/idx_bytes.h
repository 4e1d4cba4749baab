// idx_bytes.h: IDX files, plain and gzipped, as bytes that a test makes.
#pragma once
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/file_fixture.h"

/// An IDX file of the given magic and dimensions, with `body` behind them.
inline Bytes idx(std::uint32_t magic, const std::vector<std::uint32_t>& dimensions,
                 const Bytes& body) {
    Bytes file;
    const auto append = [&](std::uint32_t word) {
        for (int shift = 24; shift >= 0; shift -= 8)
            file.push_back(static_cast<std::uint8_t>(word >> shift));
    };
    append(magic);
    for (const auto d : dimensions) append(d);
    file.insert(file.end(), body.begin(), body.end());
    return file;
}

inline Bytes idx_images(const std::vector<std::uint32_t>& dimensions, const Bytes& pixels) {
    return idx(0x0803, dimensions, pixels);
}
inline Bytes idx_labels(const Bytes& labels) {
    return idx(0x0801, {static_cast<std::uint32_t>(labels.size())}, labels);
}

inline Bytes gzip(const Bytes& plain) {
    z_stream stream{};
    constexpr int as_gzip = 16;
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, as_gzip + MAX_WBITS, 9,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::runtime_error("deflateInit2 failed");
    Bytes packed(deflateBound(&stream, static_cast<uLong>(plain.size())));
    stream.next_in = const_cast<std::uint8_t*>(plain.data());
    stream.avail_in = static_cast<uInt>(plain.size());
    stream.next_out = packed.data();
    stream.avail_out = static_cast<uInt>(packed.size());
    const int status = deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    if (status != Z_STREAM_END) throw std::runtime_error("deflate failed");
    return packed;
}

inline Bytes joined(Bytes first, const Bytes& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

inline const Bytes six_pixels{0, 1, 2, 253, 254, 255};
inline const Bytes three_labels{2, 0, 1};
/// Three images of 1 x 2 pixels, and their labels.
inline const Bytes good_images = idx_images({3, 1, 2}, six_pixels);
inline const Bytes good_labels = idx_labels(three_labels);

/// A file that is refused, with what the message must hold.
struct BadFile {
    const char* name;
    Bytes bytes;
    std::vector<std::string> parts;  ///< of the message, after the file's name
};

inline void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }

/// The parts of a message on `file`.
inline std::vector<std::string> with_file(const std::filesystem::path& file,
                                          std::vector<std::string> parts) {
    parts.insert(parts.begin(), file.string() + ": expected ");
    return parts;
}
