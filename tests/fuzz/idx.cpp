// idx.cpp: fuzzes the reader of IDX files.
//
// An input is both files: two bytes with the length of the images file, that file, and the rest is
// the labels file. The reader takes names of files; these live in memory, under names in /proc.
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>

#include "mnist_reader.h"
#include "tests/fuzz/targets.h"

namespace fuzz {

namespace {

class MemoryFile {
  public:
    explicit MemoryFile(const char* name) : descriptor_(memfd_create(name, 0)) {
        require(descriptor_ >= 0, "memfd_create failed: nothing was fuzzed");
    }
    std::string holding(std::span<const std::uint8_t> bytes) const {
        const auto size = static_cast<ssize_t>(bytes.size());
        require(ftruncate(descriptor_, 0) == 0 &&
                    pwrite(descriptor_, bytes.data(), bytes.size(), 0) == size,
                "a file in memory cannot be written: nothing was fuzzed");
        return "/proc/self/fd/" + std::to_string(descriptor_);
    }

  private:
    int descriptor_;
};

Bytes file(const Bytes& header, const Bytes& body) {
    Bytes bytes{0, 0, 8, static_cast<std::uint8_t>(header.size())};
    for (const std::uint8_t dimension : header) bytes.insert(bytes.end(), {0, 0, 0, dimension});
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
}

Bytes gzipped(const Bytes& bytes) {
    z_stream stream{};
    constexpr int as_gzip = 16;
    Bytes packed(256);
    require(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, as_gzip + MAX_WBITS, 9,
                         Z_DEFAULT_STRATEGY) == Z_OK,
            "deflateInit2 failed");
    stream.next_in = const_cast<std::uint8_t*>(bytes.data());
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = packed.data();
    stream.avail_out = static_cast<uInt>(packed.size());
    require(deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate failed");
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

Bytes pair(const Bytes& images, const Bytes& labels) {
    Bytes both{static_cast<std::uint8_t>(images.size()),
               static_cast<std::uint8_t>(images.size() >> 8)};
    both.insert(both.end(), images.begin(), images.end());
    both.insert(both.end(), labels.begin(), labels.end());
    return both;
}

}  // namespace

void judge_idx(std::span<const std::uint8_t> bytes) {
    static const MemoryFile images("images"), labels("labels");
    if (bytes.size() < 2) return;
    const std::size_t wanted = bytes[0] + 256u * bytes[1];
    bytes = bytes.subspan(2);
    const std::size_t size = std::min(wanted, bytes.size());
    accepts([&] {
        const SampleSet set =
            read_idx(images.holding(bytes.first(size)), labels.holding(bytes.subspan(size)));
        require(set.rows > 0 && set.cols > 0 && set.count() > 0, "an empty set");
        require(set.pixels.size() == set.features() * set.count(), "pixels without a place");
        require(std::all_of(set.labels.begin(), set.labels.end(),
                            [&](int label) { return label < set.classes; }),
                "a label that is no class");
    });
}

std::vector<Bytes> idx_seeds() {
    const Bytes images = file({2, 2, 3}, {0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255});
    const Bytes labels = file({2}, {0, 9});
    return {pair(images, labels), pair(gzipped(images), gzipped(labels))};
}

}  // namespace fuzz
