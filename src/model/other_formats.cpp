// other_formats.cpp: one row a format: how it begins, what it is, how it is converted.
#include "model/other_formats.h"

#include <algorithm>
#include <string>

#include "base/file_kind.h"
#include "base/npz.h"

namespace {

/// The lines with the file's own name in place of every %; the second line writes beside it.
std::string converted_by(const std::string& lines, const Refusal& refuse) {
    const std::string stem = harmless(refuse.name.substr(0, refuse.name.rfind('.')), 200);
    std::string text;
    for (const char c : lines) text += c == '%' ? stem : std::string(1, c);
    return "convert it in Python: " + text;
}

const char* const torch_lines =
    "import torch, safetensors.torch; safetensors.torch.save_file(torch.load('%.pt', "
    "weights_only=True), '%.safetensors'), where the file has a whole model, "
    "torch.load('%.pt', weights_only=False).state_dict()";
const char* const keras_lines =
    "import keras, numpy; numpy.savez('%.npz', *keras.models.load_model('%.h5').get_weights())";
const char* const onnx_lines =
    "import numpy, onnx, onnx.numpy_helper; numpy.savez('%.npz', **{t.name: "
    "onnx.numpy_helper.to_array(t) for t in onnx.load('%.onnx').graph.initializer})";

bool has(const std::vector<std::string>& entries, std::string_view end) {
    return std::ranges::any_of(entries,
                               [&](const std::string& entry) { return entry.ends_with(end); });
}

/// The lines for this file: its own ending in place of the usual one.
std::string with_ending(std::string lines, std::string_view usual, const Refusal& refuse) {
    const auto dot = refuse.name.rfind('.');
    if (dot == std::string::npos || dot + 1 == refuse.name.size()) return lines;
    const std::string own = "%" + harmless(refuse.name.substr(dot), 20),
                      from = "%" + std::string(usual);
    for (auto at = lines.find(from); at != lines.npos; at = lines.find(from, at + own.size()))
        lines.replace(at, from.size(), own);
    return lines;
}

[[noreturn]] void refuse_format(const std::string& found, const std::string& lines,
                                std::string_view usual, const Refusal& refuse) {
    refuse("a safetensors or .npz file", found,
           converted_by(with_ending(lines, usual, refuse), refuse));
}

void refuse_other_zip(std::span<const std::uint8_t> bytes, const Refusal& refuse) {
    const auto entries = zip_entries(bytes);
    if (has(entries, "/data.pkl") || has(entries, "/constants.pkl"))
        refuse_format("PyTorch's own file, as torch.save() writes", torch_lines, ".pt", refuse);
    if (has(entries, "model.weights.h5"))
        refuse_format("a Keras model (.keras)", keras_lines, ".h5", refuse);
}

}  // namespace

void refuse_other_format(std::span<const std::uint8_t> bytes, const Refusal& refuse) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (is_zip(bytes)) return refuse_other_zip(bytes, refuse);
    // A pickle of protocol 2, as torch.save() wrote before 2020, and as pickle.dump() does.
    if (text.starts_with("\x80\x02") || text.starts_with("\x80\x03") ||
        text.starts_with("\x80\x04") || text.starts_with("\x80\x05"))
        refuse_format("a pickle, as old versions of torch.save() write", torch_lines, ".pt",
                      refuse);
    if (text.starts_with("\x89HDF\r\n\x1a\n"))
        refuse_format("an HDF5 file, as Keras writes (.h5)", keras_lines, ".h5", refuse);
    if (refuse.name.ends_with(".onnx")) refuse_format("an ONNX model", onnx_lines, ".onnx", refuse);
    if (text.starts_with("\x93NUMPY"))
        refuse("a safetensors or .npz file", "one NumPy array (.npy)",
               "write all arrays of the network by numpy.savez");
    if (const std::string kind = file_kind(bytes); !kind.empty())
        refuse("a safetensors or .npz file", kind, file_kind_advice);
}
