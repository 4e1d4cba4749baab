// picture_pnm.cpp: reads the plain formats of Netpbm: PBM, PGM and PPM, in text (P1 to P3) or in
// bytes (P4 to P6). Source: the manual pages pbm(5), pgm(5) and ppm(5) of Netpbm.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/range.h"
#include "input/picture_formats.h"

namespace {

/// The words of the header, and of a picture in text: numbers with white space between them; #
/// begins a comment up to the end of its line.
class PnmText {
  public:
    PnmText(std::span<const std::uint8_t> bytes, std::string name)
        : bytes_(bytes), name_(std::move(name)) {}

    /// Reads the next number, which is at most `most`. `what` is its name in messages.
    int number(const std::string& what, int most) {
        skip_space();
        const auto* const start = reinterpret_cast<const char*>(bytes_.data()) + at_;
        const auto* const end = reinterpret_cast<const char*>(bytes_.data()) + bytes_.size();
        const std::string expected = what + ", a whole number from 0 to " + std::to_string(most);
        if (start == end) refuse(name_, expected, "the end of the file", "save the picture again");
        int value = 0;
        const auto [stop, error] = std::from_chars(start, end, value);
        const bool ends = stop == end || is_space(static_cast<std::uint8_t>(*stop)) || *stop == '#';
        if (error != std::errc{} || !ends || value < 0 || value > most)
            refuse(name_, expected, "'" + harmless(word()) + "'", "save the picture again");
        at_ += static_cast<std::size_t>(stop - start);
        return value;
    }
    /// Reads the next 0 or 1; there need not be white space behind it.
    bool bit(const std::string& what) {
        skip_space();
        if (at_ == bytes_.size() || (bytes_[at_] != '0' && bytes_[at_] != '1'))
            refuse(name_, what + ", 0 or 1", "'" + harmless(word()) + "'",
                   "save the picture again");
        return bytes_[at_++] == '1';
    }
    /// Skips white space and comments; returns the number of bytes that are left.
    std::size_t left_after_space() {
        skip_space();
        return bytes_.size() - at_;
    }
    /// The bytes after exactly one character of white space, which ends the header.
    std::span<const std::uint8_t> body() const {
        return bytes_.subspan(std::min(at_ + 1, bytes_.size()));
    }

  private:
    static bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
    /// The word that begins here, for messages.
    std::string word() const {
        std::string text;
        for (std::size_t i = at_; i < bytes_.size() && !is_space(bytes_[i]) && text.size() < 16;
             ++i)
            text += static_cast<char>(bytes_[i]);
        return text;
    }
    void skip_space() {
        for (bool comment = false; at_ < bytes_.size(); ++at_) {
            const std::uint8_t c = bytes_[at_];
            if (c == '#') comment = true;
            if (c == '\n' || c == '\r') comment = false;
            if (!comment && !is_space(c)) return;
        }
    }

    std::span<const std::uint8_t> bytes_;
    std::string name_;
    std::size_t at_ = 2;  // behind "P2"
};

/// What a file is, and how large: `most` is the value of white; of a PBM, where 1 is black, 1.
struct Kind {
    char number;
    int most;
    std::size_t count;  ///< of values
    const std::string& name;

    bool of_bits() const { return number == '1' || number == '4'; }
    bool in_text() const { return number <= '3'; }
};

std::uint8_t to_byte(int value, int most) {
    return static_cast<std::uint8_t>((std::int64_t{value} * 255 + most / 2) / most);
}

/// The values are numbers in text. Each takes at least two bytes of the file, or one if it is a
/// bit, which is checked before memory is taken.
std::vector<std::uint8_t> values_in_text(PnmText& text, const Kind& kind) {
    const std::size_t left = text.left_after_space();
    if (kind.of_bits() ? left < kind.count : left + 1 < 2 * kind.count)
        refuse(kind.name, std::to_string(kind.count) + " values", "too few bytes for them",
               "save the picture again");
    std::vector<std::uint8_t> values(kind.count);
    for (std::size_t i = 0; i < kind.count; ++i) {
        const std::string what = "value " + std::to_string(i);
        values[i] = kind.of_bits() ? to_byte(text.bit(what) ? 0 : 1, 1)
                                   : to_byte(text.number(what, kind.most), kind.most);
    }
    if (text.left_after_space() > 0)
        refuse(kind.name, "the end of the file after the last value", "more",
               "save the picture again");
    return values;
}

void expect_bytes(std::span<const std::uint8_t> body, std::size_t wanted, const Kind& kind) {
    if (body.size() != wanted)
        refuse(kind.name, std::to_string(wanted) + " bytes of pixels", std::to_string(body.size()),
               "save the picture again");
}

/// One byte for each value, or two, the higher one first, if white is at least 256.
std::vector<std::uint8_t> values_in_bytes(std::span<const std::uint8_t> body, const Kind& kind) {
    const std::size_t size = kind.most < 256 ? 1 : 2;
    expect_bytes(body, kind.count * size, kind);
    std::vector<std::uint8_t> values(kind.count);
    for (std::size_t i = 0; i < kind.count; ++i) {
        const int value = size == 1 ? body[i] : body[2 * i] * 256 + body[2 * i + 1];
        if (value > kind.most)
            refuse(kind.name, "values up to " + std::to_string(kind.most),
                   std::to_string(value) + " as value " + std::to_string(i),
                   "save the picture again");
        values[i] = to_byte(value, kind.most);
    }
    return values;
}

/// Eight pixels a byte, the highest bit first; each row begins with a new byte.
std::vector<std::uint8_t> values_in_bits(std::span<const std::uint8_t> body, const Kind& kind,
                                         std::size_t width) {
    const std::size_t row = (width + 7) / 8;
    expect_bytes(body, row * (kind.count / width), kind);
    std::vector<std::uint8_t> values(kind.count);
    for (std::size_t i = 0; i < kind.count; ++i) {
        const std::size_t x = i % width;
        const bool black = (body[i / width * row + x / 8] >> (7 - x % 8) & 1) != 0;
        values[i] = black ? 0 : 255;
    }
    return values;
}

}  // namespace

Raster parse_pnm(std::span<const std::uint8_t> bytes, const std::string& name) {
    PnmText text(bytes, name);
    Kind kind{static_cast<char>(bytes[1]), 1, 0, name};
    Raster raster;
    raster.width = text.number("the width", 10000);
    raster.height = text.number("the height", 10000);
    check_size(name, static_cast<std::uint64_t>(raster.width),
               static_cast<std::uint64_t>(raster.height));
    if (!kind.of_bits()) kind.most = text.number("the greatest value", 65535);
    if (kind.most == 0)
        refuse(name, "a greatest value of 1 to 65535", "0", "save the picture again");
    raster.channels = kind.number == '3' || kind.number == '6' ? 3 : 1;
    kind.count = elements(raster.width, raster.height) * static_cast<std::size_t>(raster.channels);
    if (kind.in_text())
        raster.values = values_in_text(text, kind);
    else if (kind.of_bits())
        raster.values = values_in_bits(text.body(), kind, static_cast<std::size_t>(raster.width));
    else
        raster.values = values_in_bytes(text.body(), kind);
    return raster;
}
