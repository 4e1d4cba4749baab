// model_file.h: a trained network as a file that other programs read too: safetensors.
//
// Tensors are W1, b1, W2, b2, ..., F32 or F64; W_l has the shape [H_l, H_(l-1)] and is row-major,
// as in PyTorch's Linear. Everything else that is known about the network is in the metadata.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/activation/activation.h"
#include "model/objective.h"
#include "model/parameters.h"
#include "model/state.h"

/// What a file says beside the parameters. A file of another program may lack any of it; then these
/// values hold.
struct ModelFacts {
    Objective objective;
    Activation activation = {};      ///< of the hidden layers
    int rows = 0, cols = 0;          ///< of the images; 0: unknown
    double pixel_scale = 1.0 / 255;  ///< input = pixel x pixel_scale
    std::uint64_t seed = 1;          ///< of the first weights and of the orders
    TrainingState state;             ///< the state of the training
    std::string settings = "{}";     ///< JSON object: the run's settings by name
    std::string history = "[]";      ///< JSON array: the results of each epoch (app/run/history.h)
    std::string version;             ///< of the program; empty: another program's file
};

struct Model {
    Parameters<nn_real> parameters;
    ModelFacts facts;
};

/// The bytes of a model file. Facts are in the metadata, each as a string: "sizes" (784-200-10),
/// "activation", "output", "loss", "rows", "cols", "pixel_scale", "seed", "epoch", "step",
/// "epoch_loss", "settings", "history", "version", "type" (float or double) and "format": "pt". A
/// history of more than about 100,000 epochs is left out, because a reader would refuse the header.
/// Throws Diverged if a parameter or the state's loss is not finite, because such a file could not
/// be read again.
std::vector<std::uint8_t> format_model(const Model& model);

/// Writes these bytes to a file that is either complete or absent, even if the program is killed
/// meanwhile. Throws as format_model() and write_whole_file() do.
void save_model(const std::filesystem::path& file, const Model& model);

/// Reads a model file; converts its numbers to nn_real. Tensors may be in any order. They may have
/// the names of a PyTorch Sequential of Linear layers: "0.weight", "0.bias", "2.weight", ..., the
/// layers by rising number; or the same with one word before all numbers ("layers.0.weight",
/// "fc1.weight"). Throws an InputError of one line with the file, what is wrong and what to do, if
/// the file is truncated or has bytes that belong to no tensor; if the header is longer than 16
/// MiB, is not JSON or has wrong lengths; if tensors are missing, have an unknown type, or have
/// shapes that do not fit together; if a value is not finite in nn_real; and if metadata of the
/// names above have a value that means nothing here.
Model load_model(const std::filesystem::path& file);

/// The two halves of load_model(), for ranks that get the bytes from another rank. `name` is for
/// messages.
std::vector<std::uint8_t> read_model_bytes(const std::filesystem::path& file);
Model parse_model(std::span<const std::uint8_t> bytes, const std::string& name);
