// image_source.h: a set of images under one name, whatever its files are.
//
// A folder has IDX files, of MNIST or of a set that followed it, or one NumPy archive. What is
// known of a set by its name (where its labels begin, that its images lie on their side) is set
// right, and a note says so.
#pragma once
#include <string>
#include <vector>

#include "mnist_reader.h"

/// What the user says of a set of images.
struct ImageForm {
    std::string set = {};     ///< the beginning of its files' names: "emnist-letters"; empty: any
    int first_label = 0;      ///< the label of class 0
    bool transposed = false,  ///< rows and columns are exchanged in the files
        inverted = false;     ///< 255 is the background: pixel p becomes 255 - p
    bool as_is = false;       ///< pictures of a folder have the network's size; none is prepared

    bool operator==(const ImageForm&) const = default;
};

/// Samples, with the names of the files, or of the archive's arrays, that they are from.
struct ImageSet {
    SampleSet samples;
    std::string images, labels;
    std::vector<std::string> notes = {};  ///< app/report/notes.h
};

/// Reads the images of `data`, a folder or a .npz file. `classes` is read_idx()'s. Throws
/// InputError.
ImageSet read_images(const std::string& data, const ImageForm& form, Split split, int classes = 0);

/// True if `data` has test images, or test labels.
bool has_test_images(const std::string& data, const ImageForm& form = {});

/// Reads the test images that belong to `train`. Labels must be below train.classes, and images
/// must have the size of the training images; otherwise it throws InputError.
SampleSet read_test_images(const std::string& data, const ImageForm& form, const SampleSet& train);
