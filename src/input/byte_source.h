// byte_source.h: the bytes of a data set's file, plain or gzipped, a piece at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

inline constexpr const char* get_file_again =
    "get the file again, or give another set with --data DIR";

/// Refuses, before anything is opened, what is not of type `wanted`, a regular file or a directory:
/// to open a pipe could wait for ever. Throws InputError.
void require_type(const std::filesystem::path& path, std::filesystem::file_type wanted);

/// Gzip is told by the first bytes, not by the name. What is read is refused, by an InputError,
/// where the file cannot be read, or its gzip data are cut, damaged or followed by anything else.
class ByteSource {
  public:
    explicit ByteSource(const std::filesystem::path& path);
    ~ByteSource();
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;

    /// Puts up to `n` bytes at `out` and returns how many; fewer than `n` only at the end.
    std::size_t read(std::uint8_t* out, std::size_t n);

  private:
    class Stream;
    std::unique_ptr<Stream> stream_;
};
