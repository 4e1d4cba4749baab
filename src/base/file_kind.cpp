// file_kind.cpp: one row a kind: how it begins, and its name.
#include "base/file_kind.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace {

struct Kind {
    std::string_view begin, name;
};

/// Compared byte by byte.
constexpr Kind by_bytes[] = {
    {"PK\3\4", "a zip archive"},
    {"PK\5\6", "an empty zip archive"},
    {"\x1f\x8b", "gzip data"},
    {"BZh", "bzip2 data"},
    {"\xfd\x37zXZ", "xz data"},
    {"\x28\xb5\x2f\xfd", "zstd data"},
    {"7z\xbc\xaf", "a 7z archive"},
    {"Rar!", "a RAR archive"},
    {"\x89PNG", "a PNG picture"},
    {"\xff\xd8\xff", "a JPEG picture"},
    {"GIF8", "a GIF picture"},
    {"%PDF", "a PDF document"},
    {"\x89HDF", "an HDF5 file"},
    {"\x93NUMPY", "a NumPy array (.npy)"},
    {"PAR1", "a Parquet file"},
    {"ARROW1", "an Arrow file"},
    {"\x80\x02", "a Python pickle"},
    {"\x80\x03", "a Python pickle"},
    {"\x80\x04", "a Python pickle"},
    {"\x80\x05", "a Python pickle"},
    {"version https://git-lfs.", "a Git LFS pointer (get the data itself by: git lfs pull)"},
};
/// Compared without regard to case, behind spaces and a byte order mark.
constexpr Kind by_words[] = {
    {"<!doctype html", "a web page (HTML)"},
    {"<html", "a web page (HTML)"},
    {"<head", "a web page (HTML)"},
    {"<?xml", "an XML document, such as a server's error"},
    {"{\"", "JSON, such as a server's error"},
};

bool begins_with(std::string_view text, std::string_view word) {
    return text.size() >= word.size() &&
           std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
               return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
           });
}

}  // namespace

std::string file_kind(std::span<const std::uint8_t> first) {
    std::string_view text(reinterpret_cast<const char*>(first.data()), first.size());
    for (const Kind& kind : by_bytes)
        if (text.starts_with(kind.begin)) return std::string(kind.name);
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    for (const Kind& kind : by_words)
        if (begins_with(text, kind.begin)) return std::string(kind.name);
    return {};
}
