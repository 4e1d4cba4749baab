// test_byte_source.cpp: damaged gzip, and what is no file or may not be read, is refused by name.
//
// Files are read by read_idx(), as the program does.
#include "input/byte_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "mnist_reader.h"
#include "tests/support/idx_bytes.h"

namespace fs = std::filesystem;

namespace {

// What is refused: the gzip around it.

Bytes flipped(Bytes bytes, std::size_t at) {
    bytes.at(at) ^= 1;
    return bytes;
}

TEST(BadGzip, IsRefusedForEveryKindOfDamage) {
    const Bytes packed = gzip(good_images);
    const std::size_t size = packed.size();
    const std::vector<BadFile> cases{
        {"wrong checksum", flipped(packed, size - 8), {"corrupt data", "incorrect data check"}},
        {"wrong length", flipped(packed, size - 4), {"corrupt data", "incorrect length check"}},
        {"wrong method", flipped(packed, 2), {"corrupt data", "unknown compression method"}},
        {"gzipped twice", gzip(packed), {"an IDX file, plain or gzipped once", "gzip data"}},
        {"zeros and a byte behind", joined(packed, {0, 0, 1}), {"nothing but zeros"}},
        {"text behind", joined(packed, Bytes(9, 'A')), {"end of the file", "found trailing bytes"}},
        {"half a magic behind", joined(packed, {0x1f}), {"complete gzip data"}},
        {"a broken member behind", joined(packed, {0x1f, 0x8c}), {"intact gzip data"}},
        {"more data in a member behind", joined(packed, gzip({0})), {"found trailing bytes"}},
    };
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    for (const auto& bad : cases) {
        SCOPED_TRACE(bad.name);
        const auto images = dir.write("images.gz", bad.bytes);
        expect_refusal([&] { read_idx(images, labels); }, with_file(images, bad.parts));
    }
}

TEST(BadGzip, IsRefusedWhereverItIsCut) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    const Bytes packed = gzip(good_images);
    for (std::size_t size = 2; size < packed.size(); ++size) {
        SCOPED_TRACE("the first " + std::to_string(size) + " bytes");
        const auto images =
            dir.write("images.gz", {packed.begin(), packed.begin() + static_cast<long>(size)});
        expect_refusal([&] { read_idx(images, labels); },
                       with_file(images, {"expected complete gzip data",
                                          "found the end of the "
                                          "file",
                                          "get the file"}));
    }
}

// What is refused: things that are not files, or not ours to read.

TEST(NotAFile, IsRefusedByItsKind) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    const auto pipe = dir.path / "pipe";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0644), 0);
    fs::create_symlink("loop", dir.path / "loop");
    fs::create_symlink("nowhere", dir.path / "dangling");
    const struct {
        fs::path path;
        const char* found;
    } cases[] = {{dir.path / "missing", "no file of this name"},
                 {dir.path / "dangling", "no file of this name"},
                 {labels / "below-a-file", "no file of this name"},
                 {dir.path / "loop", "symbolic links"},
                 {dir.path, "a directory"},
                 {pipe, "a named pipe"},
                 {"/dev/null", "a device"},
                 {"/dev/zero", "a device"}};
    for (const auto& c : cases) {
        SCOPED_TRACE(c.path);
        const std::vector<std::string> parts{"expected an IDX file", "found ", c.found,
                                             "check the path"};
        expect_refusal([&] { read_idx(c.path, labels); }, with_file(c.path, parts));
        const auto images = dir.write("images", good_images);
        expect_refusal([&] { read_idx(images, c.path); }, with_file(c.path, parts));
    }
}

TEST(NotAFile, ButALinkToOneIsRead) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    dir.write("images", good_images);
    fs::create_symlink("images", dir.path / "link");
    EXPECT_EQ(read_idx(dir.path / "link", labels).pixels, six_pixels);
}

TEST(Unreadable, FileWhoseReadingFailsIsRefused) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    // Opening one's own memory succeeds; reading it at address 0 is an I/O error.
    expect_refusal([&] { read_idx("/proc/self/mem", labels); },
                   {"/proc/self/mem: expected a file that can be read", "Input/output error",
                    "check its permissions and its disk"});
}

/// What `read` says when an ordinary user calls it: permissions do not stop root. It runs in a
/// child, so that the tests after it keep the rights that they have.
std::string message_as_ordinary_user(const std::function<void()>& read) {
    int ends[2];
    if (pipe(ends) != 0) return "pipe failed";
    const pid_t child = fork();
    if (child < 0) return "fork failed";
    if (child == 0) {
        std::string message = "was read";
        try {
            constexpr uid_t nobody = 65534;
            if (geteuid() == 0 && seteuid(nobody) != 0) throw std::runtime_error("seteuid failed");
            read();
        } catch (const InputError& e) {
            message = e.what();
        } catch (const std::exception& e) {
            message = std::string("no InputError: ") + e.what();
        } catch (...) {
            message = "no InputError: an unknown exception";
        }
        const bool sent = write(ends[1], message.data(), message.size()) >= 0;
        _exit(sent ? 0 : 1);
    }
    close(ends[1]);
    std::string message;
    std::array<char, 4096> buffer;
    for (ssize_t n; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
        message.append(buffer.data(), static_cast<std::size_t>(n));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return status == 0 ? message : message + " (and the child ended with an error)";
}

TEST(Unreadable, FileWithoutPermissionIsRefused) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    const auto images = dir.write("images", good_images);
    const auto read = [&] { read_idx(images, labels); };
    EXPECT_EQ(message_as_ordinary_user(read), "was read");
    fs::permissions(images, fs::perms::none);
    EXPECT_EQ(message_as_ordinary_user(read),
              images.string() +
                  ": expected a file that can be read, found \"Permission denied\"; check its "
                  "permissions and its disk, or give another set with --data DIR");
}

TEST(Unreadable, DirectoryWithoutPermissionIsRefused) {
    TemporaryDirectory dir;
    const auto closed = dir.path / "closed";
    fs::create_directory(closed);
    fs::permissions(closed, fs::perms::none);
    EXPECT_EQ(message_as_ordinary_user([&] { read_mnist(closed, Split::train); }),
              closed.string() +
                  ": expected a directory that can be read, found \"Permission denied\"; check its "
                  "permissions, or give another set with --data DIR");
    const auto inside = closed / "images";
    const std::string message = message_as_ordinary_user([&] { read_idx(inside, inside); });
    EXPECT_EQ(message.find(inside.string() + ": expected an IDX file, found Permission denied"), 0u)
        << message;
    fs::permissions(closed, fs::perms::owner_all);
}

}  // namespace
