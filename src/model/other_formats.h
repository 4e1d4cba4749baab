// other_formats.h: files of networks that are not read here are named, with what converts them.
#pragma once
#include <cstdint>
#include <span>

#include "model/tensor_file.h"

/// Throws InputError if the bytes are of PyTorch's .pt, of Keras's .h5 or .keras, of ONNX, or of
/// another kind that is known not to hold a network's tensors as safetensors or .npz do. The
/// message names the kind, and has the two lines of Python that write a file that can be read. A
/// name that ends in .onnx or .npy counts as well, because ONNX has no first bytes of its own.
void refuse_other_format(std::span<const std::uint8_t> bytes, const Refusal& refuse);
