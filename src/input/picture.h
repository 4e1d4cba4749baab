// picture.h: pictures of digits, as people make them, become inputs of a network.
//
// A picture is prepared as MNIST's own images were: the drawing alone, light on dark, scaled to
// 20/28 of the side with its proportions, its centre of mass in the middle. Before that, shadows,
// ruled lines, frames and specks are taken out (picture_stages.h). What is prepared already, as
// MNIST's own images are, stays as it is.
// Source of that rule: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

/// Grey values, row by row, 0 black.
struct Picture {
    int width = 0, height = 0;
    std::vector<std::uint8_t> grey;
};

/// Reads a PNG, JPEG, BMP, or PBM, PGM or PPM file; its first bytes say which. Transparent pixels
/// count as background, and a picture whose EXIF data says that the camera was turned is turned
/// back. It may have 10000 pixels a side, 64 million in all, and 64 MiB; a JPEG of more than 3000 a
/// side is read at a half of its size, or less. Throws InputError: one line with the file, what is
/// wrong and what to do.
Picture read_picture(const std::filesystem::path& file);

/// The same from memory; `name` is for messages.
Picture parse_picture(std::span<const std::uint8_t> bytes, const std::string& name);

/// A picture between two steps of the preparation.
struct Stage {
    std::string name;
    Picture picture;
};

/// The strokes of a drawing, as rows and columns of pixels meet them. Two digits that touch, drawn
/// as one is, meet more, closer strokes, and between them there is one stroke alone.
struct Strokes {
    double met = 0;     ///< by a row, on average over the rows that meet one
    double paper = 0;   ///< the part of what lies between a row's outermost strokes that is paper
    double bridge = 0;  ///< the part of the columns of the middle half that meet one stroke at most
    /// Large for two digits. The weights were fitted to digits, and pairs, of MNIST's training
    /// part.
    double crowding() const { return met - 0.8 * paper + 0.2 * bridge; }
};

/// An input, and what its drawing shows beside it.
struct DrawnDigit {
    std::vector<std::uint8_t> input = {};
    Strokes strokes = {};
    double wide = 0;  ///< its width over its height
    /// It was wider than digits are, and was made narrower. It may be two that touch.
    bool was_squeezed = false;
};

/// What was done to a picture, up to where it was refused, if it was.
struct Preparation {
    std::vector<Stage> stages = {};
    std::size_t drawings = 0;             ///< that stand apart, as digits do
    std::vector<DrawnDigit> digits = {};  ///< of each input, from left to right
    bool changed_own_size = false;  ///< a picture of the network's size was not prepared already
};

/// The rows x cols bytes of a picture of this size that is prepared already, or of its opposite;
/// nothing of any other. It may still show two digits.
std::vector<std::uint8_t> prepared_already(const Picture& picture, int rows, int cols);

/// Returns rows x cols bytes, row by row, light on dark, as described above. Throws InputError if
/// nothing is drawn, or more than one digit; `name` is for messages. What was done is told in
/// `told`, if given.
std::vector<std::uint8_t> as_network_input(const Picture& picture, int rows, int cols,
                                           const std::string& name, Preparation* told = nullptr);

/// The same for a line of digits: an input for each, from left to right. Throws InputError also if
/// there is a point or a sign beside them, or what is too wide for one digit.
std::vector<std::vector<std::uint8_t>> as_network_inputs(const Picture& picture, int rows, int cols,
                                                         const std::string& name,
                                                         Preparation* told = nullptr);

/// The greys themselves. Throws InputError if the picture is not of the network's size.
std::vector<std::uint8_t> as_it_is(const Picture& picture, int rows, int cols,
                                   const std::string& name);

/// The picture as a PNG file's bytes. Throws Failure if libpng cannot make them.
std::vector<std::uint8_t> png_of(const Picture& picture);
