// load.h: brings a trained network from its file to every rank's device, to predict and not to
// train.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "comm/comm.h"
#include "model/foreign.h"
#include "model/model_file.h"
#include "neural_network.h"
#include "train/choose.h"

/// What the network gets: by default pictures of digits.
struct InputKind {
    SampleFormat format = {};
    double density = 0.19;  ///< the fraction of inputs that are not zero
};

/// What a network of rank 0's `set` gets. Collective.
InputKind kind_of(const Comm& comm, const SampleSet& set);

/// Reads the model on rank 0; every rank gets it. `said` is what the user says of another program's
/// file. Collective. Throws as load_model() does.
Model load_model_everywhere(const Comm& comm, const std::string& file,
                            const ForeignFacts& said = {});

/// A file of another program does not say the shape of its images. If the number of inputs is that
/// of a square of 8 x 8 or more, the images are taken for squares.
void guess_shape(Model& model);

/// Said where a network takes pictures as they are though --as-is is not given.
inline constexpr const char* note_as_is =
    "pictures are taken as they are, because the network was trained so (--as-is)";

/// Throws InputError if the network in `file` was not trained on pictures.
void check_takes_pictures(const Model& model, const std::string& file);

/// Throws InputError if the network's classes cannot be the digits of a number: more than ten, or
/// with names of several letters.
void check_digits(const Model& model, const std::string& file);

/// Throws InputError if the network in `file` was trained on images, and the samples are a table,
/// or the other way round.
void check_kind(const Model& model, const std::string& file, bool is_table);

/// Makes the network on the device that `wanted` asks for. Collective.
/// `inputs` says what it gets. Throws InputError if something is asked for that is not here.
DataParallelNeuralNetwork network_of(const Comm& comm, const DeviceRequest& wanted,
                                     const Model& model, const InputKind& inputs = {});

/// Runs `action` only on rank 0. If it throws InputError, the message becomes a line on standard
/// error, and the run goes on. Returns true on every rank if it did not throw.
bool tried_on_root(const Comm& comm, const std::function<void()>& action);
