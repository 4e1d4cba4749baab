// idx_files.h: finds a file of a data set in a folder.
//
// MNIST and the sets that follow it (Fashion-MNIST, EMNIST) use almost the same names for their
// four files.
#pragma once
#include <filesystem>
#include <string>

/// The path of one file of the set in `dir`. `stem` is "train-images-idx3-ubyte" or the like. Tried
/// in this order: `stem`, `stem`.gz, the spelling with a dot ("train-images.idx3-ubyte"), that with
/// .gz; then, for a stem with "t10k-", the same four with "test-" (EMNIST's name), and for labels
/// those with "labels-idx2-int" (QMNIST's). If none of these exists, the name may have a prefix
/// ("emnist-digits-train-images-idx3-ubyte"), in the same order. `set` asks for a prefix
/// ("emnist-digits"); files without a prefix count as that set if there are no others. Two
/// different prefixes are an error, and so are two files of one name and different content, as one
/// and its .gz. A regular file is preferred to anything else with that name. If there is no file,
/// throws InputError with every name that was tried, and with what is in the folder instead.
std::filesystem::path find_idx_file(const std::filesystem::path& dir, const std::string& stem,
                                    const std::string& set = "");

/// What stands before the name in the name of a file that find_idx_file found: "emnist-digits-".
std::string prefix_of(const std::filesystem::path& file, const std::string& stem);

/// True if there is a file in `dir` that find_idx_file would find, or could not choose among.
bool has_idx_file(const std::filesystem::path& dir, const std::string& stem,
                  const std::string& set = "");
