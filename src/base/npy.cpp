// npy.cpp: reads the header of an array word by word.
#include "base/npy.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace {

constexpr std::string_view magic = "\x93NUMPY";

[[noreturn]] void refuse_header(const std::string& name, const std::string& found) {
    refuse(name, "the header of a NumPy array", found,
           "the file is damaged, or no array of numbers: write it again by numpy.save or "
           "numpy.savez");
}

/// The words of a Python dictionary, one after the other. What it does not know it refuses.
class Words {
  public:
    Words(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

    /// Skips spaces; then takes `word` if it is next.
    bool take(std::string_view word) {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }
    void need(std::string_view word) {
        if (!take(word)) refuse_header(name_, "one without " + std::string(word) + " in its place");
    }
    std::string quoted() {
        const char* const quote = take("'") ? "'" : "\"";
        if (*quote == '"') need(quote);
        const std::size_t length = rest_.find(*quote);
        if (length == rest_.npos) refuse_header(name_, "a word without its end");
        std::string text(rest_.substr(0, length));
        rest_.remove_prefix(length + 1);
        return text;
    }
    std::uint64_t number() {
        take("");
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        if (error != std::errc{}) refuse_header(name_, "a shape that is no list of numbers");
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return value;
    }
    bool truth() {
        if (take("True")) return true;
        need("False");
        return false;
    }
    bool at_end() {
        take("");
        return rest_.empty();
    }

  private:
    std::string_view rest_;
    const std::string& name_;
};

StoredType type_of(const std::string& descr, const std::string& name) {
    struct Known {
        std::string_view descr;
        StoredType type;
    };
    using enum StoredType;
    static constexpr Known all[] = {{"|u1", u8},  {"<u2", u16}, {"<u4", u32}, {"<u8", u64},
                                    {"|i1", i8},  {"<i2", i16}, {"<i4", i32}, {"<i8", i64},
                                    {"<f2", f16}, {"<f4", f32}, {"<f8", f64}};
    for (const Known& known : all)
        if (descr == known.descr) return known.type;
    const bool swapped = descr.starts_with('>');
    const std::string kind = descr.starts_with("|O")   ? " (Python objects, as pickle has them)"
                             : swapped                 ? " (big endian)"
                             : descr.starts_with("|b") ? " (truth values)"
                             : descr.substr(1) == "V2" ? " (two bytes without a name, as bfloat16)"
                                                       : "";
    refuse(name, "an array of numbers, little endian",
           "type " + ("'" + harmless(descr) + "'") + kind,
           descr.starts_with("|O") ? "objects are never read; write arrays of numbers"
                                   : "write it again with array.astype('float32')");
}

std::vector<std::uint64_t> read_shape(Words& words) {
    std::vector<std::uint64_t> shape;
    words.need("(");
    while (!words.take(")")) {
        shape.push_back(words.number());
        if (!words.take(",")) {
            words.need(")");
            break;
        }
    }
    return shape;
}

/// The dictionary's three entries, in any order, each once.
NpyHeader read_dictionary(std::string_view text, const std::string& name) {
    Words words(text, name);
    NpyHeader header;
    std::optional<std::string> descr;
    bool has_order = false, has_shape = false;
    words.need("{");
    while (!words.take("}")) {
        const std::string key = words.quoted();
        words.need(":");
        if (key == "descr" && !descr) {
            if (words.take("["))
                refuse(name, "an array of numbers", "a structured one, with several fields",
                       "write each field as an array of its own");
            descr = words.quoted();
        } else if (key == "fortran_order" && !has_order) {
            header.first_index_fastest = words.truth();
            has_order = true;
        } else if (key == "shape" && !has_shape) {
            header.shape = read_shape(words);
            has_shape = true;
        } else {
            refuse_header(name, "the key '" + harmless(key) + "' in it");
        }
        if (!words.take(",")) {
            words.need("}");
            break;
        }
    }
    if (!descr || !has_order || !has_shape || !words.at_end())
        refuse_header(name, "one that is not complete");
    header.type = type_of(*descr, name);
    return header;
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::uint8_t> bytes, const std::string& name) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!text.starts_with(magic)) refuse_header(name, "other bytes");
    if (text.size() < magic.size() + 4) refuse_header(name, "its end");
    const int major = bytes[magic.size()], minor = bytes[magic.size() + 1];
    if (major < 1 || major > 3 || minor != 0)
        refuse_header(name, "version " + std::to_string(major) + "." + std::to_string(minor));
    const std::size_t digits = major == 1 ? 2 : 4, begin = magic.size() + 2 + digits;
    if (text.size() < begin) refuse_header(name, "its end");
    std::size_t length = 0;
    for (std::size_t i = digits; i-- > 0;) length = length << 8 | bytes[magic.size() + 2 + i];
    if (length > longest_npy_header || length > text.size() - begin)
        refuse_header(name, "a length of " + std::to_string(length) + " bytes");
    NpyHeader header = read_dictionary(text.substr(begin, length), name);
    header.data_begin = begin + length;
    constexpr std::uint64_t most = std::uint64_t{1} << 40;
    for (const std::uint64_t extent : header.shape) {
        if (extent > most || (extent > 0 && header.elements > most / extent))
            refuse(name, "at most 2^40 numbers", "a larger shape",
                   "the file is damaged: write it again by numpy.save or numpy.savez");
        header.elements *= extent;
    }
    return header;
}
