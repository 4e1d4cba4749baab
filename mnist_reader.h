// mnist_reader.h: IDX files, plain or gzipped, become a SampleSet.
//
// IDX is MNIST's own format: two zero bytes, a type byte (8 = unsigned byte), the number of
// dimensions, each dimension as a big-endian 32-bit integer, then the elements, the last dimension
// varying fastest. Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
#pragma once
#include <filesystem>

#include "input/idx_files.h"
#include "input/sample_set.h"

enum class Split { train, test };

/// Reads an images file (three dimensions: count, rows, cols) and a labels file (one dimension;
/// also of 32-bit integers, and of QMNIST's rows of eight, of which the first is the class). The
/// first bytes, not the name, say whether a file is gzipped. There may be 2^31 - 1 images, and 2^31
/// - 1 pixels in an image. If `classes` > 0, it is the number of classes, and a label that is not
/// below it is an error. If it is 0, the number of classes is the largest label + 1. `first_label`
/// is subtracted from each label before. Throws InputError: one line with the file, what was
/// expected, what was found and what to do.
SampleSet read_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                   int classes = 0, int first_label = 0);

/// True if a file begins as IDX or gzip does; false if it cannot be read.
bool is_idx_or_gzip(const std::filesystem::path& file);

/// Reads only an images file, as above. The samples have no targets, and 0 classes.
SampleSet read_idx_images(const std::filesystem::path& images);

/// Reads the training or the test pair of files in `dir` by find_idx_file and read_idx.
SampleSet read_mnist(const std::filesystem::path& dir, Split split, int classes = 0);
