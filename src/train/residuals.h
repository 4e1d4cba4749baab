// residuals.h: brings the residuals of all ranks into a checkpoint, and back.
//
// What a reducer has not sent yet (reduce/reducer.h) is different on each rank, and rank 0 writes
// the checkpoint. There it stands as `residual.0`, `residual.1`, ...: an array of all parameters
// for each rank.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "comm/comm.h"
#include "model/model_file.h"

/// Appends the residuals of all ranks to rank 0's `arrays`. `mine`: this rank's, which may be
/// empty on all ranks; then nothing is appended. Collective.
void gather_residuals(const Comm& comm, std::span<const nn_real> mine, const Layout& layout,
                      std::vector<NamedMoment>& arrays);

/// Takes the residuals out of a checkpoint's arrays, in the order of the ranks.
std::vector<Parameters<nn_real>> take_residuals(std::vector<NamedMoment>& arrays);

/// Each rank's of rank 0's `residuals` is copied to `mine`. There is one for each rank. Collective.
void hand_out_residuals(const Comm& comm, const std::vector<Parameters<nn_real>>& residuals,
                        std::span<nn_real> mine);
