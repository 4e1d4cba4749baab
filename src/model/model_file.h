// model_file.h: a trained network as a file that other programs read too: safetensors.
//
// Tensors are W1, b1, W2, b2, ..., F32 or F64; W_l has the shape [H_l, H_(l-1)] and is row-major,
// as in PyTorch's Linear. A checkpoint has as many for each moment of its optimizer: exp_avg.W1,
// ... Everything else that is known about the network is in the metadata.
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
    /// Of the outputs, in their order; empty: classes are numbers.
    std::vector<std::string> class_names = {};
    /// JSON object: the columns of the table that it was trained on (app/run/table_facts.h).
    std::string columns = "{}";
    std::string version;  ///< of the program; empty: another program's file
    /// Another program's file, from which this one was imported, did not say how its inputs were
    /// scaled, nor did the user.
    bool scaling_assumed = false;
    /// It was trained on pictures of its own size as they are (--as-is), so it takes others so,
    /// too.
    bool pictures_as_is = false;
};

/// A tensor as it is in the file.
struct FileTensor {
    std::string name, type;  ///< "fc1.weight", "F32"
};

/// A moment of all parameters, in a checkpoint: "exp_avg".
struct NamedMoment {
    std::string name;
    Parameters<nn_real> values;
};

struct Model {
    Parameters<nn_real> parameters;
    ModelFacts facts;
    std::vector<NamedMoment> moments = {};  ///< of the optimizer, if this is a checkpoint of it
    /// What a person must know beside every result of this network (app/report/notes.h).
    std::vector<std::string> notes = {};
    bool activation_assumed = false;       ///< neither the file nor the user said it
    std::vector<FileTensor> tensors = {};  ///< of W1, b1, W2, ...; empty if it is of no file
};

struct ForeignFacts;

/// The bytes of a model file. Facts are in the metadata, each as a string: "sizes" (784-200-10),
/// "activation", "output", "loss", "rows", "cols", "pixel_scale", "seed", "epoch", "step",
/// "epoch_loss", "settings", "history", "version", "type" (float or double), "checksum"
/// (checksum.h) and "format": "pt"; where there are any, "class_names" (a JSON array), "columns" (a
/// JSON object), "scaling" (assumed), "pictures" (as_is), "loss_scale" (a JSON array of three
/// numbers, LossScaleState's) and "moments" (a JSON array of their names). A history of more than
/// about 100,000 epochs is left out, because a reader would refuse the header. Throws Diverged if a
/// parameter or the state's loss is not finite, because such a file could not be read again.
std::vector<std::uint8_t> format_model(const Model& model);

/// Writes these bytes to a file that is either complete or absent, even if the program is killed
/// meanwhile. Throws as format_model() and write_whole_file() do.
void save_model(const std::filesystem::path& file, const Model& model);

/// Reads a model file, a safetensors or a .npz file of any names and directions in layers.h;
/// converts its numbers to nn_real. Throws an InputError of one line with the file, what is wrong
/// and what to do, if the file is of another kind; if it is truncated or has bytes that belong to
/// no tensor; if a safetensors header is longer than 16 MiB, is not JSON or has wrong lengths; if
/// tensors are missing, have an unknown type, or have shapes that do not fit together; if a value
/// is not finite in nn_real; if metadata of the names above have a value that means nothing here;
/// and if the checksum is not that of the content. `said` is what the user says of another
/// program's file (foreign.h).
Model load_model(const std::filesystem::path& file);

/// The two halves of load_model(), for ranks that get the bytes from another rank. `name` is for
/// messages.
std::vector<std::uint8_t> read_model_bytes(const std::filesystem::path& file);
Model parse_model(std::span<const std::uint8_t> bytes, const std::string& name);
Model parse_model(std::span<const std::uint8_t> bytes, const std::string& name,
                  const ForeignFacts& said);
