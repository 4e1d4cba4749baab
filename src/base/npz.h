// npz.h: NumPy's .npz archives: named arrays in a zip file.
//
// An archive comes from a stranger. So a size in it is compared with the file's own size before
// memory is taken: deflate packs at most 1032 bytes into one, and no byte of the file belongs to
// two arrays. Memory then grows only with the bytes that really come out.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/npy.h"

struct NpyArray {
    NpyHeader header;
    std::vector<std::uint8_t> data;  ///< header.data_bytes()
};

/// All arrays of an archive together may have 4 GiB.
inline constexpr std::uint64_t most_npz_bytes = std::uint64_t{1} << 32;

class Npz {
  public:
    /// Opens the archive in `bytes`, which must outlive it. `name` is for messages. Throws
    /// InputError if it is not a zip file whose directory is in order, or has too much in it.
    Npz(std::span<const std::uint8_t> bytes, std::string name);
    ~Npz();
    Npz(const Npz&) = delete;
    Npz& operator=(const Npz&) = delete;

    /// The arrays' names, without ".npy", in the archive's order.
    const std::vector<std::string>& names() const { return names_; }
    /// Throws InputError if there is no such array, or if it is damaged, or not of numbers.
    NpyArray read(const std::string& array) const;

  private:
    struct Archive;
    std::string name_;
    std::unique_ptr<Archive> archive_;
    std::vector<std::string> names_;
};

/// True if the bytes begin as a zip file does.
bool is_zip(std::span<const std::uint8_t> bytes);
/// The names of a zip file's entries, of at most `most`; none if it cannot be read.
std::vector<std::string> zip_entries(std::span<const std::uint8_t> bytes, std::size_t most = 10000);
