// picture.cpp: fuzzes the readers of pictures, and what makes a network's inputs of one.
#include "input/picture.h"

#include <string>

#include "tests/fuzz/targets.h"
#include "tests/support/picture_bytes.h"

namespace fuzz {

void judge_picture(std::span<const std::uint8_t> bytes) {
    accepts([&] {
        const Picture picture = parse_picture(bytes, "picture");
        require(picture.width > 0 && picture.height > 0, "an empty picture");
        require(picture.grey.size() == static_cast<std::size_t>(picture.width) *
                                           static_cast<std::size_t>(picture.height),
                "greys without a place");
        for (const auto& input : as_network_inputs(picture, 28, 28, "picture"))
            require(input.size() == 28 * 28, "an input of another size");
        require(as_network_input(picture, 28, 28, "picture").size() == 28 * 28,
                "an input of another size");
    });
}

std::vector<Bytes> picture_seeds() {
    const Picture cross{
        5, 4, {0, 0, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 0, 9, 0, 0}};
    const std::string text = "P2 # a comment\n3 2\n15\n0 15 0\n15 1 2\n";
    const std::string raw = std::string("P5 2 2 255\n") + "\xff\x01\x80\x02";
    std::string strip = "P5 700 3 255 " + std::string(2100, '\xff');
    strip.replace(700, 20, 20, '\0');
    const std::string bits = "P1 3 2\n010\n1 0 1";
    using namespace picture_bytes;
    return {png_of(cross),
            Bytes(text.begin(), text.end()),
            Bytes(raw.begin(), raw.end()),
            Bytes(bits.begin(), bits.end()),
            Bytes(strip.begin(), strip.end()),
            jpeg_of(cross, 1, false, exif_bytes(6)),
            jpeg_of(cross, 3, true, exif_bytes(8, true)),
            bmp_of(2, 2, 24, {0, 0, 0, 9, 9, 9, 0, 0, 255, 255, 255, 0, 0, 0, 0, 0}),
            bmp_of(3, 1, 4, {0x01, 0x20, 0, 0}, {0, 0, 0, 0, 9, 9, 9, 0, 255, 255, 255, 0})};
}

}  // namespace fuzz
