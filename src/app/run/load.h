// load.h: a trained network, from its file onto every rank's device, to predict and not to train.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "comm/comm.h"
#include "model/model_file.h"
#include "neural_network.h"
#include "train/choose.h"

/// Reads it on rank 0; every rank gets it. Collective. Throws as load_model().
Model load_model_everywhere(const Comm& comm, const std::string& file);

/// Throws InputError where `file`'s network was trained on something else than pictures.
void check_takes_pictures(const Model& model, const std::string& file);

/// The network on the device that `wanted` asks for, for pixels and labels. Collective. Throws
/// InputError where something is asked for that is not here.
DataParallelNeuralNetwork network_of(const Comm& comm, const DeviceRequest& wanted,
                                     const Model& model);

/// Runs `action` on rank 0 alone. Its InputError becomes a line on standard error, and the run goes
/// on. Returns on every rank whether there was none.
bool tried_on_root(const Comm& comm, const std::function<void()>& action);
