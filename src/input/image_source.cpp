// image_source.cpp: finds the files, and sets right what is known of the set.
#include "input/image_source.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "input/npz_images.h"

namespace {

/// What the authors of a set say of it. Source: G. Cohen, S. Afshar, J. Tapson, A. van Schaik,
/// "EMNIST: an extension of MNIST to handwritten letters", 2017, and its files.
struct KnownSet {
    std::string_view name;
    int first_label;
    bool transposed;
    std::string_view classes;  ///< a character each; empty: they are numbers
};
constexpr std::string_view merged = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt";
constexpr KnownSet known_sets[] = {
    {"emnist-letters", 1, true, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
    {"emnist-balanced", 0, true, merged},
    {"emnist-bymerge", 0, true, merged},
    {"emnist-byclass", 0, true, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"},
    {"emnist-digits", 0, true, ""},
    {"emnist-mnist", 0, true, ""},
};

const KnownSet* known(const std::string& name) {
    const auto found =
        std::ranges::find_if(known_sets, [&](const KnownSet& set) { return set.name == name; });
    return found == std::end(known_sets) ? nullptr : found;
}

void transpose(SampleSet& set) {
    const auto rows = static_cast<std::size_t>(set.rows), cols = static_cast<std::size_t>(set.cols);
    std::vector<std::uint8_t> image(rows * cols);
    for (std::size_t first = 0; first < set.pixels.size(); first += rows * cols) {
        std::copy_n(set.pixels.begin() + static_cast<std::ptrdiff_t>(first), rows * cols,
                    image.begin());
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < cols; ++c)
                set.pixels[first + c * rows + r] = image[r * cols + c];
    }
    std::swap(set.rows, set.cols);
}

/// The form with what is known of the set by its name, and a note where that changes something.
struct Settled {
    ImageForm form;
    std::string_view classes = {};
    std::vector<std::string> notes = {};
};
Settled settle(const ImageForm& asked, const std::string& prefix) {
    Settled settled{asked};
    const std::string name =
        !asked.set.empty() || prefix.empty() ? asked.set : prefix.substr(0, prefix.size() - 1);
    const KnownSet* const set = known(name);
    if (set == nullptr) return settled;
    settled.classes = set->classes;
    std::string done;
    if (set->transposed && !asked.transposed) done = "its images lie on their side and are turned";
    if (set->first_label > 0 && asked.first_label == 0)
        done += (done.empty() ? "" : "; ") +
                ("its labels begin at " + std::to_string(set->first_label));
    if (!done.empty()) settled.notes.push_back(name + ": " + done);
    settled.form.transposed = set->transposed || asked.transposed;
    settled.form.first_label = std::max(set->first_label, asked.first_label);
    return settled;
}

void bring_into_form(SampleSet& set, const Settled& settled) {
    if (settled.form.transposed) transpose(set);
    if (settled.form.inverted)
        for (std::uint8_t& pixel : set.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
    const auto classes = static_cast<std::size_t>(set.classes);
    if (settled.classes.size() == classes)
        for (const char name : settled.classes) set.class_names.emplace_back(1, name);
    else if (settled.form.first_label > 0)
        for (int c = 0; c < set.classes; ++c)
            set.class_names.push_back(std::to_string(c + settled.form.first_label));
}

}  // namespace

ImageSet read_images(const std::string& data, const ImageForm& form, Split split, int classes) {
    const std::string which = split == Split::train ? "train" : "t10k";
    if (const auto npz = npz_of(data); !npz.empty()) {
        const Settled settled = settle(form, "");
        ImageSet read{read_npz_images(npz, split, classes, settled.form.first_label),
                      npz.filename().string(), npz.filename().string(), settled.notes};
        bring_into_form(read.samples, settled);
        return read;
    }
    const std::string stem = which + "-images-idx3-ubyte";
    const auto images = find_idx_file(data, stem, form.set);
    const auto labels = find_idx_file(data, which + "-labels-idx1-ubyte", form.set);
    const Settled settled = settle(form, prefix_of(images, stem));
    const int in_set = classes > 0 ? classes : static_cast<int>(settled.classes.size());
    ImageSet read{read_idx(images, labels, in_set, settled.form.first_label),
                  images.filename().string(), labels.filename().string(), settled.notes};
    bring_into_form(read.samples, settled);
    return read;
}

bool has_test_images(const std::string& data, const ImageForm& form) {
    if (const auto npz = npz_of(data); !npz.empty()) return npz_has_test_images(npz);
    return has_idx_file(data, "t10k-images-idx3-ubyte", form.set) ||
           has_idx_file(data, "t10k-labels-idx1-ubyte", form.set);
}

SampleSet read_test_images(const std::string& data, const ImageForm& form, const SampleSet& train) {
    ImageSet test = read_images(data, form, Split::test, train.classes);
    const SampleSet& set = test.samples;
    if (set.rows != train.rows || set.cols != train.cols)
        refuse((std::filesystem::is_directory(data) ? std::filesystem::path(data) / test.images
                                                    : std::filesystem::path(data))
                   .string(),
               "images of " + std::to_string(train.rows) + " x " + std::to_string(train.cols) +
                   " pixels, as the training images are",
               std::to_string(set.rows) + " x " + std::to_string(set.cols),
               "give a directory whose four files are of one set with --data DIR");
    return std::move(test.samples);
}
