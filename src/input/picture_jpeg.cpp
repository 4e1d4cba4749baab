// picture_jpeg.cpp: reads JPEG by libjpeg.
//
// libjpeg leaves a file that it cannot read by longjmp(). So what calls it are three functions that
// own nothing, and everything that has to be freed is owned by their caller.
#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it

#include <jpeglib.h>

#include <jerror.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/range.h"
#include "input/picture_formats.h"

namespace {

/// More scans over the whole picture than any program writes: a small file would keep us for hours.
constexpr int most_scans = 100;

/// A picture with a longer side is read at half its size, or a quarter or an eighth, as JPEG can.
constexpr unsigned longest_side = 3000;

struct Decoder {
    jpeg_decompress_struct info{};
    jpeg_error_mgr errors{};
    jpeg_progress_mgr progress{};
    std::jmp_buf back;
    std::array<char, JMSG_LENGTH_MAX> message{};

    Decoder();
    ~Decoder() { jpeg_destroy_decompress(&info); }
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;
};

Decoder& decoder_of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

[[noreturn]] void give_up(j_common_ptr info) {
    Decoder& decoder = decoder_of(info);
    info->err->format_message(info, decoder.message.data());
    std::longjmp(decoder.back, 1);
}

/// A warning, which has a level below 0, says that the picture is damaged; bytes between two
/// markers are harmless, and some cameras write them.
void hear(j_common_ptr info, int level) {
    if (level < 0 && info->err->msg_code != JWRN_EXTRANEOUS_DATA) give_up(info);
}

void count_scans(j_common_ptr info) {
    Decoder& decoder = decoder_of(info);
    if (decoder.info.input_scan_number <= most_scans) return;
    std::snprintf(decoder.message.data(), decoder.message.size(), "more than %d scans", most_scans);
    std::longjmp(decoder.back, 1);
}

Decoder::Decoder() {
    info.err = jpeg_std_error(&errors);
    errors.error_exit = give_up;
    errors.emit_message = hear;
    progress.progress_monitor = count_scans;
    info.client_data = this;
}

/// Reads up to the pixels, and keeps APP1, which holds the EXIF data. False: damage.
bool read_header(Decoder& decoder, std::span<const std::uint8_t> bytes) {
    if (setjmp(decoder.back) != 0) return false;
    jpeg_create_decompress(&decoder.info);
    decoder.info.progress = &decoder.progress;
    jpeg_mem_src(&decoder.info, bytes.data(), bytes.size());
    jpeg_save_markers(&decoder.info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&decoder.info, TRUE);
    return true;
}

/// Chooses greys or RGB, and a size; libjpeg computes from them what it will give. False: damage.
bool choose_output(Decoder& decoder) {
    if (setjmp(decoder.back) != 0) return false;
    jpeg_decompress_struct& info = decoder.info;
    info.out_color_space = info.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    const unsigned longest = std::max(info.image_width, info.image_height);
    info.scale_num = 1;
    info.scale_denom = 1;
    while (info.scale_denom < 8 && longest / info.scale_denom > longest_side) info.scale_denom *= 2;
    jpeg_calc_output_dimensions(&info);
    return true;
}

/// Reads the pixels to `values`. False: damage.
bool read_pixels(Decoder& decoder, std::uint8_t* values) {
    if (setjmp(decoder.back) != 0) return false;
    jpeg_start_decompress(&decoder.info);
    while (decoder.info.output_scanline < decoder.info.output_height) {
        JSAMPROW row = values + std::size_t{decoder.info.output_scanline} *
                                    decoder.info.output_width *
                                    static_cast<std::size_t>(decoder.info.output_components);
        jpeg_read_scanlines(&decoder.info, &row, 1);
    }
    jpeg_finish_decompress(&decoder.info);
    return true;
}

[[noreturn]] void refuse_jpeg(const std::string& name, const Decoder& decoder) {
    refuse(name, "a whole JPEG picture",
           std::string("damage (libjpeg: ") + decoder.message.data() + ")",
           "save it again, or get it again");
}

int orientation_of(const jpeg_decompress_struct& info) {
    constexpr std::string_view begin("Exif\0\0", 6);
    for (auto marker = info.marker_list; marker != nullptr; marker = marker->next) {
        const std::span data(marker->data, marker->data_length);
        if (data.size() > begin.size() && std::equal(begin.begin(), begin.end(), data.begin()))
            return exif_orientation(data.subspan(begin.size()));
    }
    return 1;
}

}  // namespace

Raster parse_jpeg(std::span<const std::uint8_t> bytes, const std::string& name) {
    Decoder decoder;
    jpeg_decompress_struct& info = decoder.info;
    if (!read_header(decoder, bytes)) refuse_jpeg(name, decoder);
    check_size(name, info.image_width, info.image_height);
    check_packed(name, info.image_width, info.image_height, bytes.size());
    if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK)
        refuse(name, "a JPEG picture in grey or RGB", "one in CMYK, for printing",
               "save it as RGB, or as PNG");
    if (!choose_output(decoder)) refuse_jpeg(name, decoder);
    Raster raster{static_cast<int>(info.output_width), static_cast<int>(info.output_height),
                  info.out_color_components};
    raster.values.resize(elements(raster.width, raster.height) *
                         static_cast<std::size_t>(raster.channels));
    raster.orientation = orientation_of(info);  // libjpeg forgets its markers behind the pixels
    if (!read_pixels(decoder, raster.values.data())) refuse_jpeg(name, decoder);
    return raster;
}
