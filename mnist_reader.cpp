// mnist_reader.cpp: reads IDX files and trusts nothing that they say.
//
// It checks the header before it reads the body, and takes memory only for data that really come
// in. So a wrong header or a gzip bomb takes no more memory than the file has data.
#include "mnist_reader.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <limits>
#include <new>
#include <system_error>

#include "base/error.h"
#include "base/file_kind.h"
#include "input/byte_source.h"

namespace fs = std::filesystem;

namespace {

/// What a file must hold, and the other kind of file that a user may give by mistake.
struct Content {
    const char *name, *other;
    unsigned dimensions, other_dimensions;
};
constexpr Content image_content{"images", "labels", 3, 1};
constexpr Content label_content{"labels", "images", 1, 3};

std::string element_name(unsigned type) {
    switch (type) {
        case 0x08:
            return "unsigned bytes";
        case 0x09:
            return "signed bytes";
        case 0x0b:
            return "16-bit integers (short)";
        case 0x0c:
            return "32-bit integers (int)";
        case 0x0d:
            return "32-bit floats (float)";
        case 0x0e:
            return "64-bit floats (double)";
        default:
            return "";
    }
}

/// Refuses a file of another kind, which no magic number means anything about, by its name.
void refuse_other_kind(ByteSource& source, const fs::path& file,
                       const std::array<std::uint8_t, 16>& header) {
    std::array<std::uint8_t, 64> start{};
    std::copy_n(header.begin(), 4, start.begin());
    const std::size_t size = 4 + source.read(&start[4], start.size() - 4);
    if (const std::string kind = file_kind(std::span(start).first(size)); !kind.empty())
        refuse(file.string(), "an IDX file, plain or gzipped once", kind, file_kind_advice);
}

std::string magic_text(std::uint32_t magic) {
    std::array<char, 16> hex;
    std::snprintf(hex.data(), hex.size(), "0x%08x", static_cast<unsigned>(magic));
    const std::string element = magic >> 16 ? "" : element_name(magic >> 8);
    const unsigned dimensions = magic & 0xff;
    if (element.empty()) return hex.data();
    return std::string(hex.data()) + " (" + element + ", " + std::to_string(dimensions) +
           (dimensions == 1 ? " dimension)" : " dimensions)");
}

/// Labels may be 32-bit integers: N of them, or as QMNIST has them, N rows that begin with one.
bool is_wide_label(std::uint32_t magic, const Content& content) {
    return content.dimensions == 1 && (magic == 0x0c01 || magic == 0x0c02);
}

void check_magic(const fs::path& file, std::uint32_t magic, const Content& content) {
    const std::uint32_t expected = 0x0800 | content.dimensions;
    if (magic == expected || is_wide_label(magic, content)) return;
    const std::string name = content.name, other = content.other;
    std::string advice;
    if (magic >> 16 || element_name(magic >> 8).empty())
        advice = "this is no IDX file, plain or gzipped once; " + std::string(get_file_again);
    else if (magic >> 8 != 0x08)
        advice =
            "only unsigned bytes can be used; convert the file, or give another set with "
            "--data DIR";
    else if ((magic & 0xff) == content.other_dimensions)
        advice = "is this the " + other + " file? Give the " + name + " file, or get the set again";
    else
        advice = name + " need " + std::to_string(content.dimensions) +
                 (content.dimensions == 3 ? " dimensions (count, rows, columns)"
                                          : " dimension (count)") +
                 "; convert the file, or give another set with --data DIR";
    refuse(file.string(), "magic " + magic_text(expected), magic_text(magic), advice);
}

using Dimensions = std::vector<std::uint32_t>;

std::string text(const Dimensions& dimensions) {
    std::string joined;
    for (const auto d : dimensions) joined += (joined.empty() ? "" : " x ") + std::to_string(d);
    return joined;
}

/// Everything downstream counts samples and features in int. Within these bounds the number of
/// elements is below 2^62, so no product here can overflow.
void check_dimensions(const fs::path& file, const Dimensions& dimensions, const Content& content) {
    constexpr std::uint64_t most = std::numeric_limits<int>::max();
    const std::string found = "dimensions " + text(dimensions);
    if (std::find(dimensions.begin(), dimensions.end(), 0u) != dimensions.end())
        refuse(file.string(), "dimensions that are all at least 1", found, get_file_again);
    std::uint64_t of_one = 1;  // two factors below 2^32 cannot overflow
    for (std::size_t i = 1; i < dimensions.size(); ++i) of_one *= dimensions[i];
    if (dimensions[0] > most || of_one > most)
        refuse(file.string(),
               "at most 2147483647 " + std::string(content.name) + " of at most 2147483647 " +
                   "elements each",
               found, get_file_again);
}

struct Header {
    Dimensions dimensions;
    std::uint64_t width = 1;  ///< bytes of an element
};
struct IdxArray {
    Header header;
    std::vector<std::uint8_t> bytes;
};

std::uint32_t big_endian(const std::uint8_t* b) {
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

Header read_header(ByteSource& source, const fs::path& file, const Content& content) {
    std::array<std::uint8_t, 16> header{};
    std::size_t size = 4 + 4 * std::size_t{content.dimensions};
    std::size_t got = source.read(header.data(), 4);
    const std::uint32_t magic = big_endian(header.data());
    if (got == 4) {
        if (magic >> 16) refuse_other_kind(source, file, header);
        check_magic(file, magic, content);
        size = 4 + 4 * std::size_t{magic & 0xff};
        got += source.read(header.data() + 4, size - 4);
    }
    if (got < size)
        refuse(file.string(), "an IDX header of " + std::to_string(size) + " bytes",
               got == 0 ? "no data" : "only " + std::to_string(got) + " bytes", get_file_again);
    Dimensions dimensions;
    for (std::size_t at = 4; at < size; at += 4) dimensions.push_back(big_endian(&header[at]));
    check_dimensions(file, dimensions, content);
    return {std::move(dimensions), is_wide_label(magic, content) ? 4u : 1u};
}

std::vector<std::uint8_t> read_elements(ByteSource& source, const fs::path& file,
                                        const Header& header) {
    std::uint64_t promised = header.width;
    for (const auto d : header.dimensions) promised *= d;
    const std::string expected =
        std::to_string(promised) + " bytes after the header (" + text(header.dimensions) + ")";
    std::vector<std::uint8_t> elements;
    while (elements.size() < promised) {
        constexpr std::uint64_t step = std::uint64_t{1} << 20;
        const std::size_t before = elements.size();
        const std::size_t wanted = std::min(step, promised - before);
        elements.resize(before + wanted);
        const std::size_t got = source.read(elements.data() + before, wanted);
        if (got < wanted)
            refuse(file.string(), expected, "only " + std::to_string(before + got), get_file_again);
    }
    std::uint8_t beyond;
    if (source.read(&beyond, 1) != 0)
        refuse(file.string(), expected, "trailing bytes", get_file_again);
    return elements;
}

IdxArray read_array(const fs::path& file, const Content& content) {
    try {
        ByteSource source(file);
        Header header = read_header(source, file, content);
        auto bytes = read_elements(source, file, header);
        return {std::move(header), std::move(bytes)};
    } catch (const std::bad_alloc&) {
        throw Failure(__FILE__, __LINE__, "reading " + file.string(), "out of memory",
                      "give a smaller set with --data DIR, or use a machine with more memory");
    }
}

/// A byte for each label, `first` subtracted from it.
std::vector<std::uint8_t> labels_of(const fs::path& file, IdxArray array, int first) {
    if (array.header.width == 1 && first == 0) return std::move(array.bytes);
    const std::size_t count = array.header.dimensions[0], row = array.bytes.size() / count;
    std::vector<std::uint8_t> labels(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint8_t* const at = &array.bytes[i * row];
        const auto value = array.header.width == 1
                               ? std::int64_t{*at}
                               : std::int64_t{static_cast<std::int32_t>(big_endian(at))};
        if (value < first || value - first > 255)
            refuse(file.string(),
                   "labels from " + std::to_string(first) + " to " + std::to_string(first + 255),
                   std::to_string(value) + " as the label of image " + std::to_string(i) +
                       " (counted from 0)",
                   "check the file, and --first-label");
        labels[i] = static_cast<std::uint8_t>(value - first);
    }
    return labels;
}

/// The number of classes: `fixed`, or if that is 0, the largest label + 1.
int count_classes(const fs::path& file, const std::vector<std::uint8_t>& labels, int fixed) {
    const int largest = *std::max_element(labels.begin(), labels.end());
    if (fixed <= 0) return largest + 1;
    const auto bad = std::find_if(labels.begin(), labels.end(), [=](int l) { return l >= fixed; });
    if (bad != labels.end())
        refuse(file.string(), "labels below " + std::to_string(fixed) + " (the number of classes)",
               std::to_string(*bad) + " as the label of image " +
                   std::to_string(bad - labels.begin()) + " (counted from 0)",
               "check that this file and the training labels are of the same set");
    return fixed;
}

}  // namespace

SampleSet read_idx(const fs::path& images, const fs::path& labels, int classes, int first_label) {
    IdxArray image_array = read_array(images, image_content);
    IdxArray label_array = read_array(labels, label_content);
    const Dimensions& dimensions = image_array.header.dimensions;
    const std::size_t count = label_array.header.dimensions[0];
    if (dimensions[0] != count)
        refuse(labels.string(),
               std::to_string(dimensions[0]) + " labels, one for each image of " + images.string(),
               std::to_string(count), "give two files of the same set");
    SampleSet set;
    set.rows = static_cast<int>(dimensions[1]);
    set.cols = static_cast<int>(dimensions[2]);
    set.pixels = std::move(image_array.bytes);
    set.labels = labels_of(labels, std::move(label_array), first_label);
    set.classes = count_classes(labels, set.labels, classes);
    return set;
}

bool is_idx_or_gzip(const fs::path& file) {
    std::error_code error;
    if (!fs::is_regular_file(file, error)) return false;
    std::array<char, 2> start{1, 1};
    std::ifstream(file, std::ios::binary).read(start.data(), start.size());
    return start == std::array<char, 2>{0, 0} || start == std::array<char, 2>{'\x1f', '\x8b'};
}

SampleSet read_idx_images(const fs::path& images) {
    IdxArray array = read_array(images, image_content);
    SampleSet set;
    set.rows = static_cast<int>(array.header.dimensions[1]);
    set.cols = static_cast<int>(array.header.dimensions[2]);
    set.pixels = std::move(array.bytes);
    set.format.without_targets = true;
    return set;
}

SampleSet read_mnist(const fs::path& dir, Split split, int classes) {
    const std::string which = split == Split::train ? "train" : "t10k";
    const fs::path images = find_idx_file(dir, which + "-images-idx3-ubyte");
    const fs::path labels = find_idx_file(dir, which + "-labels-idx1-ubyte");
    return read_idx(images, labels, classes);
}
