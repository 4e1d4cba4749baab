// model_file.h: a trained network as a file that other programs read too: safetensors.
//
// Tensors are W1, b1, W2, b2, ..., F32 or F64; W_l has the shape [H_l, H_(l-1)] and is row-major,
// as PyTorch's Linear has it. What is known beside them is in the metadata.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/objective.h"
#include "model/parameters.h"
#include "model/state.h"

/// What a file says beside the parameters. In a file of another program it may be missing: then
/// these values hold.
struct ModelFacts {
    Objective objective;
    int rows = 0, cols = 0;          ///< of the images; 0: not said
    double pixel_scale = 1.0 / 255;  ///< input = pixel x pixel_scale
    std::uint64_t seed = 1;          ///< of the weights and the orders
    TrainingState state;             ///< where the training stood
    std::string settings = "{}";     ///< JSON object: the run's settings by name
    std::string history = "[]";      ///< JSON array: what each epoch told (app/run/history.h)
    std::string version;             ///< of the program; empty: another program's file
};

struct Model {
    Parameters<nn_real> parameters;
    ModelFacts facts;
};

/// The bytes of a model file. Facts are in the metadata, each as a string: "sizes" (784-200-10),
/// "output", "loss", "rows", "cols", "pixel_scale", "seed", "epoch", "step", "epoch_loss",
/// "settings", "history", "version", "type" (float or double) and "format": "pt". A history so long
/// that the header would be refused (some 100,000 epochs) is left out. Throws Diverged where a
/// parameter or the state's loss is not finite, for such a file could not be read again.
std::vector<std::uint8_t> format_model(const Model& model);

/// Writes them as a file that is either there whole or not at all, whatever ends the program
/// meanwhile. Throws as format_model() and write_whole_file().
void save_model(const std::filesystem::path& file, const Model& model);

/// Reads it; a type other than nn_real is converted. Tensors may be in any order, and named as
/// PyTorch's Sequential of Linear layers names them: "0.weight", "0.bias", "2.weight", ..., the
/// layers by rising number; or with one word before all numbers ("layers.0.weight", "fc1.weight").
/// Refuses, by an InputError of one line with the file, what is wrong and what to do: a file that
/// is truncated or has bytes that no tensor has, a header that is longer than 16 MiB, not JSON or
/// lies about lengths, tensors that are missing, of an unknown type, or whose shapes do not fit
/// together, values that are not finite in nn_real, and metadata of the names above that mean
/// nothing here.
Model load_model(const std::filesystem::path& file);

/// The two halves of load_model(), for ranks that get the bytes from another one. `name` is for
/// messages.
std::vector<std::uint8_t> read_model_bytes(const std::filesystem::path& file);
Model parse_model(std::span<const std::uint8_t> bytes, const std::string& name);
