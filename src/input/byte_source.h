// byte_source.h: reads the bytes of a plain or gzipped file, some at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

inline constexpr const char* get_file_again =
    "get the file again, or give another set with --data DIR";

/// Throws InputError if `path` is not of type `wanted`, a regular file or a directory. Call it
/// before opening the path, because open() could wait for ever at a pipe.
void require_type(const std::filesystem::path& path, std::filesystem::file_type wanted);

/// The first bytes, not the name, say whether the file is gzipped. Throws InputError if the file
/// cannot be read, or if its gzip data are cut, damaged or followed by bytes other than zeros.
class ByteSource {
  public:
    explicit ByteSource(const std::filesystem::path& path);
    ~ByteSource();
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;

    /// Puts up to `n` bytes at `out` and returns their number, which is below `n` only at the end.
    std::size_t read(std::uint8_t* out, std::size_t n);

  private:
    class Stream;
    std::unique_ptr<Stream> stream_;
};

/// True if both files hold the same bytes, each unpacked if it is gzipped. Throws as ByteSource
/// does.
bool have_same_content(const std::filesystem::path& a, const std::filesystem::path& b);
