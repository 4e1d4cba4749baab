// mnist_reader.cpp: reads IDX files and trusts nothing that they say.
//
// The header is checked before the body is read, and memory grows only as data really comes in, so
// a lying header or a gzip bomb asks for no more than the file delivers. gzip is inflated here, not
// by zlib's gzread: that one is silent about a cut plain file and about bytes after the gzip data.
#include "mnist_reader.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <limits>
#include <memory>
#include <new>
#include <system_error>

#include "base/error.h"

namespace fs = std::filesystem;

namespace {

constexpr const char* get_again = "get the file again, or give another set with --data DIR";

[[noreturn]] void refuse(const fs::path& file, const std::string& expected,
                         const std::string& found, const std::string& advice) {
    throw InputError(file.string() + ": expected " + expected + ", found " + found + "; " + advice);
}

std::string error_text(int error) { return std::generic_category().message(error); }

const char* kind_name(fs::file_type type) {
    switch (type) {
        case fs::file_type::not_found:
            return "no file of this name";
        case fs::file_type::regular:
            return "a file";
        case fs::file_type::directory:
            return "a directory";
        case fs::file_type::fifo:
            return "a named pipe";
        case fs::file_type::socket:
            return "a socket";
        case fs::file_type::block:
        case fs::file_type::character:
            return "a device";
        default:
            return "something that is not a file";
    }
}

/// Refuses, before anything is opened, what is not of type `wanted`: opening a pipe could wait for
/// ever.
void require_type(const fs::path& path, fs::file_type wanted) {
    std::error_code error;
    const fs::file_type type = fs::status(path, error).type();
    if (type == wanted) return;
    const bool known = type != fs::file_type::none;
    refuse(path,
           wanted == fs::file_type::directory ? "a directory with the data set" : "an IDX file",
           known ? kind_name(type) : error.message(),
           "check the path and its permissions, or give another set with --data DIR");
}

/// The bytes of a file, unpacked where it is gzipped.
class ByteSource {
  public:
    explicit ByteSource(const fs::path& path) : path_(path) {
        require_type(path, fs::file_type::regular);
        file_.reset(std::fopen(path.c_str(), "rb"));
        if (!file_) refuse_unreadable();
        refill();
        gzipped_ = stream_.avail_in >= 2 && buffer_[0] == 0x1f && buffer_[1] == 0x8b;
        constexpr int gzip_only = 16;
        if (gzipped_ && inflateInit2(&stream_, gzip_only + MAX_WBITS) != Z_OK)
            throw std::bad_alloc();
    }
    ~ByteSource() {
        if (gzipped_) inflateEnd(&stream_);
    }
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;

    /// Puts up to `n` bytes at `out` and returns how many; fewer than `n` only at the end.
    std::size_t read(std::uint8_t* out, std::size_t n) {
        stream_.next_out = out;
        stream_.avail_out = static_cast<uInt>(n);
        while (stream_.avail_out > 0) {
            if (stream_.avail_in == 0 && !refill()) {
                if (gzipped_ && !member_ended_)
                    refuse(path_, "complete gzip data", "the end of the file in the middle of it",
                           get_again);
                break;
            }
            gzipped_ ? inflate_some() : copy_some();
        }
        return n - stream_.avail_out;
    }

  private:
    [[noreturn]] void refuse_unreadable() {
        refuse(path_, "a file that can be read", "\"" + error_text(errno) + "\"",
               "check its permissions and its disk, or give another set with --data DIR");
    }

    bool refill() {
        const std::size_t got = std::fread(buffer_.data(), 1, buffer_.size(), file_.get());
        if (std::ferror(file_.get())) refuse_unreadable();
        stream_.next_in = buffer_.data();
        stream_.avail_in = static_cast<uInt>(got);
        return got > 0;
    }

    void copy_some() {
        const uInt n = std::min(stream_.avail_in, stream_.avail_out);
        stream_.next_out = std::copy_n(stream_.next_in, n, stream_.next_out);
        stream_.next_in += n;
        stream_.avail_in -= n;
        stream_.avail_out -= n;
    }

    /// gzip allows several members one after the other; anything else after a member is damage.
    void inflate_some() {
        if (member_ended_) {
            if (*stream_.next_in != 0x1f)
                refuse(path_, "the end of the file after its gzip data", "trailing bytes",
                       get_again);
            inflateReset(&stream_);
            member_ended_ = false;
        }
        const int status = inflate(&stream_, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR) throw std::bad_alloc();
        if (status != Z_OK && status != Z_STREAM_END)
            refuse(path_, "intact gzip data",
                   std::string("corrupt data (zlib: ") +
                       (stream_.msg ? stream_.msg : zError(status)) + ")",
                   get_again);
        member_ended_ = status == Z_STREAM_END;
    }

    struct Close {
        void operator()(std::FILE* f) const { std::fclose(f); }
    };
    fs::path path_;
    std::unique_ptr<std::FILE, Close> file_;
    std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(std::size_t{1} << 16);
    z_stream stream_{};  // of a plain file, only its counters and pointers are used
    bool gzipped_ = false, member_ended_ = false;
};

/// What a file must hold, and what it is easily mistaken for.
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

std::string magic_text(std::uint32_t magic) {
    std::array<char, 16> hex;
    std::snprintf(hex.data(), hex.size(), "0x%08x", static_cast<unsigned>(magic));
    const std::string element = magic >> 16 ? "" : element_name(magic >> 8);
    const unsigned dimensions = magic & 0xff;
    if (element.empty()) return hex.data();
    return std::string(hex.data()) + " (" + element + ", " + std::to_string(dimensions) +
           (dimensions == 1 ? " dimension)" : " dimensions)");
}

void check_magic(const fs::path& file, std::uint32_t magic, const Content& content) {
    const std::uint32_t expected = 0x0800 | content.dimensions;
    if (magic == expected) return;
    const std::string name = content.name, other = content.other;
    std::string advice;
    if (magic >> 16 || element_name(magic >> 8).empty())
        advice = "this is no IDX file, plain or gzipped once; " + std::string(get_again);
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
    refuse(file, "magic " + magic_text(expected), magic_text(magic), advice);
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
        refuse(file, "dimensions that are all at least 1", found, get_again);
    std::uint64_t of_one = 1;  // two factors below 2^32 cannot overflow
    for (std::size_t i = 1; i < dimensions.size(); ++i) of_one *= dimensions[i];
    if (dimensions[0] > most || of_one > most)
        refuse(file,
               "at most 2147483647 " + std::string(content.name) + " of at most 2147483647 " +
                   "elements each",
               found, get_again);
}

struct IdxArray {
    Dimensions dimensions;
    std::vector<std::uint8_t> elements;
};

std::uint32_t big_endian(const std::uint8_t* b) {
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

Dimensions read_header(ByteSource& source, const fs::path& file, const Content& content) {
    std::array<std::uint8_t, 16> header{};
    const std::size_t size = 4 + 4 * std::size_t{content.dimensions};
    std::size_t got = source.read(header.data(), 4);
    if (got == 4) {
        check_magic(file, big_endian(header.data()), content);
        got += source.read(header.data() + 4, size - 4);
    }
    if (got < size)
        refuse(file, "an IDX header of " + std::to_string(size) + " bytes",
               got == 0 ? "no data" : "only " + std::to_string(got) + " bytes", get_again);
    Dimensions dimensions;
    for (std::size_t at = 4; at < size; at += 4) dimensions.push_back(big_endian(&header[at]));
    check_dimensions(file, dimensions, content);
    return dimensions;
}

std::vector<std::uint8_t> read_elements(ByteSource& source, const fs::path& file,
                                        const Dimensions& dimensions) {
    std::uint64_t promised = 1;
    for (const auto d : dimensions) promised *= d;
    const std::string expected =
        std::to_string(promised) + " bytes after the header (" + text(dimensions) + ")";
    std::vector<std::uint8_t> elements;
    while (elements.size() < promised) {
        constexpr std::uint64_t step = std::uint64_t{1} << 20;
        const std::size_t before = elements.size();
        const std::size_t wanted = std::min(step, promised - before);
        elements.resize(before + wanted);
        const std::size_t got = source.read(elements.data() + before, wanted);
        if (got < wanted) refuse(file, expected, "only " + std::to_string(before + got), get_again);
    }
    std::uint8_t beyond;
    if (source.read(&beyond, 1) != 0) refuse(file, expected, "trailing bytes", get_again);
    return elements;
}

IdxArray read_array(const fs::path& file, const Content& content) {
    try {
        ByteSource source(file);
        Dimensions dimensions = read_header(source, file, content);
        auto elements = read_elements(source, file, dimensions);
        return {std::move(dimensions), std::move(elements)};
    } catch (const std::bad_alloc&) {
        throw Failure(__FILE__, __LINE__, "reading " + file.string(), "out of memory",
                      "give a smaller set with --data DIR, or use a machine with more memory");
    }
}

/// The number of classes: `fixed`, or where that is 0, one more than the largest label.
int count_classes(const fs::path& file, const std::vector<std::uint8_t>& labels, int fixed) {
    const int largest = *std::max_element(labels.begin(), labels.end());
    if (fixed <= 0) return largest + 1;
    const auto bad = std::find_if(labels.begin(), labels.end(), [=](int l) { return l >= fixed; });
    if (bad != labels.end())
        refuse(file, "labels below " + std::to_string(fixed) + " (the number of classes)",
               std::to_string(*bad) + " as the label of image " +
                   std::to_string(bad - labels.begin()) + " (counted from 0)",
               "check that this file and the training labels are of the same set");
    return fixed;
}

/// The ways in which the file `stem` may be called, the preferred one first.
std::vector<std::string> spellings(const std::string& stem) {
    std::vector<std::string> stems{stem};
    if (stem.starts_with("t10k-")) stems.push_back("test-" + stem.substr(5));
    std::vector<std::string> names;
    for (const auto& dashed : stems) {
        std::string dotted = dashed;
        if (const auto at = dotted.rfind("-idx"); at != std::string::npos) dotted[at] = '.';
        names.insert(names.end(), {dashed, dashed + ".gz", dotted, dotted + ".gz"});
    }
    return names;
}

/// A file of the directory that may be the one looked for. The best one comes first by <.
struct Candidate {
    bool irregular;  ///< a directory, or the like
    std::string prefix;
    std::size_t spelling;
    fs::path path;
    auto operator<=>(const Candidate&) const = default;
};

std::vector<Candidate> find_candidates(const fs::path& dir, const std::vector<std::string>& names) {
    require_type(dir, fs::file_type::directory);
    std::vector<Candidate> candidates;
    try {
        for (const auto& entry : fs::directory_iterator(dir)) {
            const std::string name = entry.path().filename().string();
            const auto spelling = std::find_if(names.begin(), names.end(),
                                               [&](auto& end) { return name.ends_with(end); });
            if (spelling == names.end() || name.starts_with('.')) continue;
            std::error_code ignored;  // what cannot be looked at cannot be opened: said there
            candidates.push_back(
                {!entry.is_regular_file(ignored), name.substr(0, name.size() - spelling->size()),
                 static_cast<std::size_t>(spelling - names.begin()), entry.path()});
        }
    } catch (const fs::filesystem_error& e) {
        refuse(dir, "a directory that can be read", "\"" + e.code().message() + "\"",
               "check its permissions, or give another set with --data DIR");
    }
    std::sort(candidates.begin(), candidates.end());
    return candidates;
}

}  // namespace

fs::path find_idx_file(const fs::path& dir, const std::string& stem) {
    const auto names = spellings(stem);
    const auto candidates = find_candidates(dir, names);
    if (candidates.empty()) {
        std::string list;
        for (const auto& name : names) list += (list.empty() ? "" : " or ") + name;
        refuse(dir, list, "no such file in it",
               "put the file there, or give the directory of a set with --data DIR");
    }
    const Candidate& best = candidates.front();
    for (const auto& other : candidates)
        if (!best.prefix.empty() && other.irregular == best.irregular &&
            other.prefix != best.prefix)
            refuse(
                dir, "one set",
                "both " + best.path.filename().string() + " and " + other.path.filename().string(),
                "give a directory with one set alone with --data DIR");
    return best.path;
}

Dataset read_idx(const fs::path& images, const fs::path& labels, int classes) {
    IdxArray image_array = read_array(images, image_content);
    IdxArray label_array = read_array(labels, label_content);
    const auto& dimensions = image_array.dimensions;
    if (dimensions[0] != label_array.dimensions[0])
        refuse(labels,
               std::to_string(dimensions[0]) + " labels, one for each image of " + images.string(),
               std::to_string(label_array.dimensions[0]), "give two files of the same set");
    Dataset set;
    set.rows = static_cast<int>(dimensions[1]);
    set.cols = static_cast<int>(dimensions[2]);
    set.classes = count_classes(labels, label_array.elements, classes);
    set.pixels = std::move(image_array.elements);
    set.labels = std::move(label_array.elements);
    return set;
}

bool is_idx_or_gzip(const fs::path& file) {
    std::error_code error;
    if (!fs::is_regular_file(file, error)) return false;
    std::array<char, 2> start{1, 1};
    std::ifstream(file, std::ios::binary).read(start.data(), start.size());
    return start == std::array<char, 2>{0, 0} || start == std::array<char, 2>{'\x1f', '\x8b'};
}

Dataset read_idx_images(const fs::path& images) {
    IdxArray array = read_array(images, image_content);
    Dataset set;
    set.rows = static_cast<int>(array.dimensions[1]);
    set.cols = static_cast<int>(array.dimensions[2]);
    set.pixels = std::move(array.elements);
    set.labels.resize(array.dimensions[0]);
    return set;
}

Dataset read_mnist(const fs::path& dir, Split split, int classes) {
    const std::string which = split == Split::train ? "train" : "t10k";
    const fs::path images = find_idx_file(dir, which + "-images-idx3-ubyte");
    const fs::path labels = find_idx_file(dir, which + "-labels-idx1-ubyte");
    return read_idx(images, labels, classes);
}

Dataset read_test_set(const fs::path& dir, const Dataset& train) {
    Dataset test = read_mnist(dir, Split::test, train.classes);
    if (test.rows != train.rows || test.cols != train.cols)
        refuse(find_idx_file(dir, "t10k-images-idx3-ubyte"),
               "images of " + std::to_string(train.rows) + " x " + std::to_string(train.cols) +
                   " pixels, as the training images are",
               std::to_string(test.rows) + " x " + std::to_string(test.cols),
               "give a directory whose four files are of one set with --data DIR");
    return test;
}
