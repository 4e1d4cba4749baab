// idx_files.h: which file of a folder is the one of a data set.
//
// MNIST and the sets that follow it (Fashion-MNIST, EMNIST) name their four files almost alike.
#pragma once
#include <filesystem>
#include <string>

/// The path of one file of the set in `dir`. `stem` is "train-images-idx3-ubyte" or the like. Tried
/// in this order: `stem`, `stem`.gz, the spelling with a dot ("train-images.idx3-ubyte"), that with
/// .gz; then, for a stem with "t10k-", the same four with "test-" (EMNIST's name). A name that ends
/// so ("emnist-digits-train-images-idx3-ubyte") is taken, in the same order, when there is no name
/// without a prefix; two different prefixes are an error. A regular file goes before anything else
/// of such a name. Throws InputError, naming every spelling that was looked for, when there is
/// none.
std::filesystem::path find_idx_file(const std::filesystem::path& dir, const std::string& stem);
