// npz_images.cpp: see npz_images.h.
#include "input/npz_images.h"

#include <algorithm>
#include <limits>
#include <system_error>

#include "base/error.h"
#include "base/npz.h"
#include "base/whole_file.h"

namespace fs = std::filesystem;

namespace {

constexpr const char* convert =
    "write it again: numpy.savez(FILE, x_train=x.astype('uint8'), y_train=y, x_test=..., "
    "y_test=...)";

/// An archive in memory.
struct Archive {
    std::vector<std::uint8_t> bytes;
    Npz npz;
    explicit Archive(const fs::path& file)
        : bytes(read_whole_file(file, "a .npz archive")), npz(bytes, file.string()) {}
};

/// The first of the names that the archive has; empty if it has none.
std::string first_of(const Npz& npz, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (std::ranges::find(npz.names(), name) != npz.names().end()) return name;
    return "";
}
std::string images_in(const Npz& npz, Split split) {
    return split == Split::train ? first_of(npz, {"x_train", "X_train", "train_images"})
                                 : first_of(npz, {"x_test", "X_test", "test_images"});
}
std::string labels_in(const Npz& npz, Split split) {
    return split == Split::train ? first_of(npz, {"y_train", "Y_train", "train_labels"})
                                 : first_of(npz, {"y_test", "Y_test", "test_labels"});
}

std::string shape_text(const NpyHeader& header) {
    std::string text;
    for (const auto extent : header.shape)
        text += (text.empty() ? "" : " x ") + std::to_string(extent);
    return text.empty() ? "a single number" : text;
}

/// Checks that the array is N x rows x cols of bytes, with or without a last dimension of 1.
void check_images(const std::string& name, const NpyHeader& header) {
    constexpr std::uint64_t most = std::numeric_limits<int>::max();
    const auto& shape = header.shape;
    const bool flat = shape.size() == 4 && shape[3] == 1;
    if ((shape.size() != 3 && !flat) || header.elements == 0 || header.first_index_fastest)
        refuse(name, "images: count x rows x columns, in C's order", shape_text(header), convert);
    if (header.type != StoredType::u8)
        refuse(name, "pixels of type uint8", "another type",
               "multiply pixels from 0 to 1 by 255, then " + std::string(convert));
    if (shape[0] > most || shape[1] > most || shape[2] > most || shape[1] * shape[2] > most)
        refuse(name, "at most 2147483647 images and pixels", shape_text(header), convert);
}

std::vector<std::uint8_t> labels_of(const std::string& name, const NpyArray& array,
                                    std::uint64_t count, int first, int classes) {
    const auto& shape = array.header.shape;
    if (array.header.elements != count || shape.empty() || shape[0] != count)
        refuse(name, std::to_string(count) + " labels, one for each image",
               shape_text(array.header), convert);
    if (!is_whole(array.header.type))
        refuse(name, "labels that are whole numbers", "fractions", convert);
    const int most = classes > 0 ? classes - 1 : 255;
    std::vector<std::uint8_t> labels(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double label = number_at(array.data, array.header.type, i) - first;
        if (!(label >= 0 && label <= most))
            refuse(name,
                   "labels from " + std::to_string(first) + " to " + std::to_string(first + most),
                   std::to_string(static_cast<long long>(label) + first) +
                       " as the label of image " + std::to_string(i) + " (counted from 0)",
                   "check that both labels are of the same set, and --first-label");
        labels[i] = static_cast<std::uint8_t>(label);
    }
    return labels;
}

}  // namespace

fs::path npz_of(const fs::path& data) {
    std::error_code error;
    if (fs::is_regular_file(data, error)) return data.extension() == ".npz" ? data : fs::path();
    fs::path only;
    for (fs::directory_iterator at(data, error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename().string();
        if (name.find("idx3-ubyte") != name.npos) return {};
        if (at->path().extension() != ".npz") continue;
        if (!only.empty()) return {};
        only = at->path();
    }
    return only;
}

bool is_image_archive(const fs::path& file) {
    try {
        return file.extension() == ".npz" && !images_in(Archive(file).npz, Split::train).empty();
    } catch (const InputError&) {
        return false;
    }
}

bool npz_has_test_images(const fs::path& file) {
    return !images_in(Archive(file).npz, Split::test).empty();
}

SampleSet read_npz_images(const fs::path& file, Split split, int classes, int first_label) {
    const Archive archive(file);
    const std::string images = images_in(archive.npz, split),
                      labels = labels_in(archive.npz, split);
    if (images.empty() || labels.empty())
        refuse(file.string(),
               split == Split::train ? "the arrays x_train and y_train"
                                     : "the arrays x_test and y_test",
               "neither, or one alone", convert);
    NpyArray pixels = archive.npz.read(images);
    check_images(file.string() + ": " + images, pixels.header);
    SampleSet set;
    set.rows = static_cast<int>(pixels.header.shape[1]);
    set.cols = static_cast<int>(pixels.header.shape[2]);
    set.labels = labels_of(file.string() + ": " + labels, archive.npz.read(labels),
                           pixels.header.shape[0], first_label, classes);
    set.classes = classes > 0 ? classes : *std::ranges::max_element(set.labels) + 1;
    set.pixels = std::move(pixels.data);
    return set;
}
