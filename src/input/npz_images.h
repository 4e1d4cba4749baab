// npz_images.h: a set of images in one NumPy archive, as Keras hands out MNIST.
#pragma once
#include <filesystem>
#include <string>

#include "mnist_reader.h"

/// The archive that `data` names: the file itself, or the only .npz file of a folder without IDX
/// files. Empty if there is none.
std::filesystem::path npz_of(const std::filesystem::path& data);

/// True if the file is an archive with training images; false if it cannot be read.
bool is_image_archive(const std::filesystem::path& file);
/// True if the archive has test images.
bool npz_has_test_images(const std::filesystem::path& file);

/// Reads x_train (N x rows x cols, unsigned bytes) and y_train (N, or N x 1, whole numbers), or the
/// same of x_test; also under the names train_images, train_labels, test_images, test_labels.
/// `classes` and `first_label` are read_idx()'s. Throws InputError.
SampleSet read_npz_images(const std::filesystem::path& file, Split split, int classes,
                          int first_label);
