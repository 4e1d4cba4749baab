// load.h: brings a trained network from its file to every rank's device, to predict and not to
// train.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "comm/comm.h"
#include "model/model_file.h"
#include "neural_network.h"
#include "train/choose.h"

/// Reads the model on rank 0; every rank gets it. Collective. Throws as load_model() does.
Model load_model_everywhere(const Comm& comm, const std::string& file);

/// Throws InputError if the network in `file` was not trained on pictures.
void check_takes_pictures(const Model& model, const std::string& file);

/// Makes the network, for pixels and labels, on the device that `wanted` asks for. Collective.
/// Throws InputError if something is asked for that is not here.
DataParallelNeuralNetwork network_of(const Comm& comm, const DeviceRequest& wanted,
                                     const Model& model);

/// Runs `action` only on rank 0. If it throws InputError, the message becomes a line on standard
/// error, and the run goes on. Returns true on every rank if it did not throw.
bool tried_on_root(const Comm& comm, const std::function<void()>& action);
