// npz.cpp: the only file that knows libzip.
#include "base/npz.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <new>

#include "base/error.h"

namespace {

constexpr const char* get_again = "the file is damaged: get it or write it again";
constexpr std::string_view array_end = ".npy";
constexpr std::uint64_t deflate_at_most = 1032;  ///< bytes from one; source: zlib's documentation

struct Discard {
    void operator()(zip_t* archive) const { zip_discard(archive); }
    void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Entry = std::unique_ptr<zip_file_t, Discard>;
using Zip = std::unique_ptr<zip_t, Discard>;

/// Null if it cannot be opened; then `why` says why.
Zip open_zip(std::span<const std::uint8_t> bytes, std::string& why) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* const source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
    Zip zip;
    if (source != nullptr) {
        zip.reset(zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error));
        if (!zip) zip_source_free(source);
    }
    if (!zip) why = zip_error_strerror(&error);
    zip_error_fini(&error);
    return zip;
}

/// Refuses sizes that cannot be true, or are too large, before any of them is used.
void check_entry(const zip_stat_t& about, const std::string& name) {
    const std::string of = name + ": " + harmless(about.name);
    if (about.encryption_method != ZIP_EM_NONE)
        refuse(of, "an array that anybody can read", "one with a password", "write it without");
    if (about.comp_method != ZIP_CM_STORE && about.comp_method != ZIP_CM_DEFLATE)
        refuse(of, "an array packed as NumPy does",
               "zip's method " + std::to_string(about.comp_method),
               "write it by numpy.savez or numpy.savez_compressed");
    const std::uint64_t factor = about.comp_method == ZIP_CM_STORE ? 1 : deflate_at_most;
    if (about.comp_size < most_npz_bytes && about.size > about.comp_size * factor + factor)
        refuse(of,
               "at most " + std::to_string(about.comp_size * factor) + " bytes out of " +
                   std::to_string(about.comp_size),
               std::to_string(about.size), get_again);
}

}  // namespace

struct Npz::Archive {
    Zip zip;
    std::vector<zip_uint64_t> places;  ///< of names(), in the archive
};

bool is_zip(std::span<const std::uint8_t> bytes) {
    // An entry, or the directory of an archive without entries.
    constexpr std::array<std::uint8_t, 4> entry{'P', 'K', 3, 4}, none{'P', 'K', 5, 6};
    return bytes.size() >= entry.size() &&
           (std::ranges::equal(bytes.first(4), entry) || std::ranges::equal(bytes.first(4), none));
}

std::vector<std::string> zip_entries(std::span<const std::uint8_t> bytes, std::size_t most) {
    std::string why;
    const Zip zip = open_zip(bytes, why);
    std::vector<std::string> names;
    if (!zip) return names;
    const zip_int64_t count = zip_get_num_entries(zip.get(), 0);
    for (zip_int64_t i = 0; i < count && names.size() < most; ++i)
        if (const char* const name = zip_get_name(zip.get(), static_cast<zip_uint64_t>(i), 0))
            names.emplace_back(name);
    return names;
}

Npz::Npz(std::span<const std::uint8_t> bytes, std::string name)
    : name_(std::move(name)), archive_(std::make_unique<Archive>()) {
    std::string why;
    archive_->zip = open_zip(bytes, why);
    if (!archive_->zip) refuse(name_, "a complete zip archive", "\"" + why + "\"", get_again);
    zip_t* const zip = archive_->zip.get();
    const zip_int64_t count = zip_get_num_entries(zip, 0);
    std::uint64_t packed = 0, unpacked = 0;
    for (zip_int64_t i = 0; i < count; ++i) {
        zip_stat_t about;
        const auto place = static_cast<zip_uint64_t>(i);
        if (zip_stat_index(zip, place, 0, &about) != 0)
            refuse(name_, "a complete zip archive", "an entry without a size", get_again);
        const std::string entry = about.name;
        if (!entry.ends_with(array_end))
            refuse(name_, "a .npz archive: arrays alone, each with a name that ends in .npy",
                   "\"" + harmless(entry) + "\"", "write it by numpy.savez");
        check_entry(about, name_);
        packed += std::min(about.comp_size, most_npz_bytes);
        unpacked += std::min(about.size, most_npz_bytes);
        if (packed > bytes.size())
            refuse(name_, "arrays that share no bytes of the file", "an overlap", get_again);
        if (unpacked > most_npz_bytes)
            refuse(name_, "arrays of at most 4 GiB together", "more",
                   "write what is needed alone, or a network as safetensors");
        names_.push_back(entry.substr(0, entry.size() - array_end.size()));
        archive_->places.push_back(place);
    }
}

Npz::~Npz() = default;

NpyArray Npz::read(const std::string& array) const {
    const auto found = std::find(names_.begin(), names_.end(), array);
    const std::string name = name_ + ": " + harmless(array);
    if (found == names_.end()) refuse(name_, "the array " + array, "no such array", get_again);
    zip_t* const zip = archive_->zip.get();
    const Entry entry(zip_fopen_index(
        zip, archive_->places[static_cast<std::size_t>(found - names_.begin())], 0));
    const auto damaged = [&](const std::string& what) {
        refuse(name, "intact data", what, get_again);
    };
    if (!entry) damaged(std::string("\"") + zip_strerror(zip) + "\"");
    const auto read_up_to = [&](std::vector<std::uint8_t>& bytes, std::uint64_t wanted) {
        constexpr std::uint64_t step = std::uint64_t{1} << 20;
        while (bytes.size() < wanted) {
            const std::size_t before = bytes.size();
            bytes.resize(before + std::min(step, wanted - before));
            const zip_int64_t got =
                zip_fread(entry.get(), bytes.data() + before, bytes.size() - before);
            if (got < 0) damaged(std::string("\"") + zip_file_strerror(entry.get()) + "\"");
            bytes.resize(before + static_cast<std::size_t>(got));
            if (got == 0) return;
        }
    };
    try {
        NpyArray result;
        std::vector<std::uint8_t> start;
        read_up_to(start, longest_npy_header + 12);
        result.header = parse_npy_header(start, name);
        const std::uint64_t whole = result.header.data_bytes();
        if (whole > most_npz_bytes) damaged("a shape of more than 4 GiB");
        result.data.assign(start.begin() + static_cast<std::ptrdiff_t>(result.header.data_begin),
                           start.end());
        read_up_to(result.data, whole + 1);  // the last read also compares zip's checksum
        if (result.data.size() != whole)
            damaged((result.data.size() < whole ? "only " : "more than ") +
                    std::to_string(std::min<std::uint64_t>(result.data.size(), whole)) +
                    " bytes, where the shape has " + std::to_string(whole));
        return result;
    } catch (const std::bad_alloc&) {
        throw Failure(__FILE__, __LINE__, "reading " + name, "out of memory",
                      "give a smaller file, or use a machine with more memory");
    }
}
