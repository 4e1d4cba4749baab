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

/// Reads an images file (three dimensions: count, rows, cols) and a labels file (one dimension).
/// Gzip is told by the first bytes, not by the name. At most 2^31 - 1 images, and as many pixels an
/// image. `classes` > 0 fixes the number of classes: a label that is not below it is an error. With
/// 0 the number follows the labels. Throws InputError: one line with the file, what was expected,
/// what was found and what to do.
SampleSet read_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                   int classes = 0);

/// Whether a file begins as IDX or gzip does. False where it cannot be read.
bool is_idx_or_gzip(const std::filesystem::path& file);

/// Reads an images file alone, as above: samples without targets, and of 0 classes.
SampleSet read_idx_images(const std::filesystem::path& images);

/// Reads the training or the test pair in `dir` by find_idx_file and read_idx.
SampleSet read_mnist(const std::filesystem::path& dir, Split split, int classes = 0);

/// Reads the test pair that goes with `train`: labels below its classes, images of its size.
SampleSet read_test_set(const std::filesystem::path& dir, const SampleSet& train);
