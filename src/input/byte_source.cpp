// byte_source.cpp: reads a file and inflates it on the way.
//
// gzip is inflated here, not by zlib's gzread, which reports neither a plain file that is cut nor
// bytes after the gzip data.
#include "input/byte_source.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace fs = std::filesystem;

namespace {

const char* kind_name(fs::file_type type) {
    switch (type) {
        case fs::file_type::not_found:
            return "no file of this name";
        case fs::file_type::regular:
            return "a file";
        case fs::file_type::directory:
            return "a directory";
        case fs::file_type::fifo:
            return "a named pipe";
        case fs::file_type::socket:
            return "a socket";
        case fs::file_type::block:
        case fs::file_type::character:
            return "a device";
        default:
            return "something that is not a file";
    }
}

}  // namespace

void require_type(const fs::path& path, fs::file_type wanted) {
    std::error_code error;
    const fs::file_type type = fs::status(path, error).type();
    if (type == wanted) return;
    const bool known = type != fs::file_type::none;
    refuse(path.string(),
           wanted == fs::file_type::directory ? "a directory with the data set" : "an IDX file",
           known ? kind_name(type) : error.message(),
           "check the path and its permissions, or give another set with --data DIR");
}

class ByteSource::Stream {
  public:
    explicit Stream(const fs::path& path) : name_(path.string()) {
        require_type(path, fs::file_type::regular);
        file_.reset(std::fopen(path.c_str(), "rb"));
        if (!file_) refuse_unreadable();
        refill();
        gzipped_ = stream_.avail_in >= 2 && buffer_[0] == 0x1f && buffer_[1] == 0x8b;
        constexpr int gzip_only = 16;
        if (gzipped_ && inflateInit2(&stream_, gzip_only + MAX_WBITS) != Z_OK)
            throw std::bad_alloc();
    }
    ~Stream() {
        if (gzipped_) inflateEnd(&stream_);
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    std::size_t read(std::uint8_t* out, std::size_t n) {
        stream_.next_out = out;
        stream_.avail_out = static_cast<uInt>(n);
        while (stream_.avail_out > 0) {
            if (stream_.avail_in == 0 && !refill()) {
                if (gzipped_ && !member_ended_)
                    refuse(name_, "complete gzip data", "the end of the file in the middle of it",
                           get_file_again);
                break;
            }
            gzipped_ ? inflate_some() : copy_some();
        }
        return n - stream_.avail_out;
    }

  private:
    [[noreturn]] void refuse_unreadable() {
        refuse(name_, "a file that can be read", error_text(errno),
               "check its permissions and its disk, or give another set with --data DIR");
    }

    bool refill() {
        const std::size_t got = std::fread(buffer_.data(), 1, buffer_.size(), file_.get());
        if (std::ferror(file_.get())) refuse_unreadable();
        stream_.next_in = buffer_.data();
        stream_.avail_in = static_cast<uInt>(got);
        return got > 0;
    }

    void copy_some() {
        const uInt n = std::min(stream_.avail_in, stream_.avail_out);
        stream_.next_out = std::copy_n(stream_.next_in, n, stream_.next_out);
        stream_.next_in += n;
        stream_.avail_in -= n;
        stream_.avail_out -= n;
    }

    /// Zeros fill a file up to a block of its medium, as a tape's; gzip ignores them, too.
    void skip_zeros() {
        const Bytef *const begin = stream_.next_in, *const end = begin + stream_.avail_in;
        const Bytef* const other = std::find_if(begin, end, [](Bytef b) { return b != 0; });
        if (other != end)
            refuse(name_, "nothing but zeros after its gzip data", "other bytes", get_file_again);
        stream_.avail_in = 0;
    }

    /// gzip allows several members one after the other, and zeros to the end of the file behind
    /// them. Other bytes after a member are an error.
    void inflate_some() {
        padded_ = padded_ || (member_ended_ && *stream_.next_in == 0);
        if (padded_) return skip_zeros();
        if (member_ended_) {
            if (*stream_.next_in != 0x1f)
                refuse(name_, "the end of the file after its gzip data", "trailing bytes",
                       get_file_again);
            inflateReset(&stream_);
            member_ended_ = false;
        }
        const int status = inflate(&stream_, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR) throw std::bad_alloc();
        if (status != Z_OK && status != Z_STREAM_END)
            refuse(name_, "intact gzip data",
                   std::string("corrupt data (zlib: ") +
                       (stream_.msg ? stream_.msg : zError(status)) + ")",
                   get_file_again);
        member_ended_ = status == Z_STREAM_END;
    }

    struct Close {
        void operator()(std::FILE* f) const { std::fclose(f); }
    };
    std::string name_;
    std::unique_ptr<std::FILE, Close> file_;
    std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(std::size_t{1} << 16);
    z_stream stream_{};  // for a plain file, only its counters and pointers are used
    bool gzipped_ = false, member_ended_ = false, padded_ = false;
};

ByteSource::ByteSource(const fs::path& path) : stream_(std::make_unique<Stream>(path)) {}
ByteSource::~ByteSource() = default;
std::size_t ByteSource::read(std::uint8_t* out, std::size_t n) { return stream_->read(out, n); }

bool have_same_content(const fs::path& a, const fs::path& b) {
    constexpr std::size_t step = std::size_t{1} << 18;
    ByteSource one(a), other(b);
    std::vector<std::uint8_t> of_one(step), of_other(step);
    for (;;) {
        const std::size_t got = one.read(of_one.data(), step);
        if (other.read(of_other.data(), step) != got) return false;
        if (!std::equal(of_one.begin(), of_one.begin() + static_cast<std::ptrdiff_t>(got),
                        of_other.begin()))
            return false;
        if (got < step) return true;
    }
}
