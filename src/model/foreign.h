// foreign.h: what a user says of a network that another program wrote, and what follows from it.
//
// A state dict has matrices and no more: neither the activation nor what was done to the inputs
// before the first layer. The user says both by flags, or the file in its metadata ("activation",
// "input_mean", "input_std", "invert"). What was done to the inputs is folded into the first layer,
// so that the network takes the same inputs as all others here.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/activation/activation.h"
#include "model/layers.h"
#include "model/model_file.h"

/// The inputs that a network was trained on are (x - mean) / std, where x is an input of this
/// program, or with `invert` white - x; white is 1, or with `raw_pixels` 255.
struct ForeignFacts {
    std::optional<Activation> activation = {};
    std::vector<double> mean = {},
                        std = {};  ///< one number, or one for each input; empty: not said
    bool invert = false;
    bool raw_pixels = false;  ///< x is 0 to 255, not 0 to 1; mean and std are of these numbers
    Kernels kernels = Kernels::told;

    bool says_scaling() const { return !mean.empty() || !std.empty() || invert || raw_pixels; }
    bool says_nothing() const { return !activation && !says_scaling() && kernels == Kernels::told; }
};

/// Reads "0.5" or "0.5,0.25" or "[0.5, 0.25]" into `numbers`. Returns false if the text is
/// otherwise, or a number is not finite.
bool read_numbers(const std::string& text, std::vector<double>& numbers);

/// input of the network j = scale_j x_j + shift_j; both empty where nothing was done.
struct InputMap {
    std::vector<double> scale, shift;
};

/// Completes the model's facts and notes by what the file's metadata and the user say, and returns
/// what was done to the inputs. Refuses what contradicts the metadata, and facts about a file of
/// this program, which has them all.
InputMap complete_facts(Model& model, const std::map<std::string, std::string>& metadata,
                        const ForeignFacts& said, const Refusal& refuse);

/// Folds the map into the first layer: W_ij scale_j, and b_i + sum_j W_ij shift_j. weights: outputs
/// x inputs, column-major. All is computed in double.
void fold(const InputMap& map, std::span<double> weights, std::span<double> bias);
