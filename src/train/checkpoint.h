// checkpoint.h: a folder with the last two states of a training.
//
// Each is a model file (model_file.h), named after where the training stood:
// checkpoint-EEEEEE-SSSSSSSSS.safetensors, epochs done and steps of the next. A kill at any moment
// leaves a readable one, for a file is complete before it gets its name, and the one before is
// removed only after that.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "model/model_file.h"

class CheckpointFolder {
  public:
    /// Makes the folder if it is not there, and removes what a killed run left half written (see
    /// remove_half_written()). Throws InputError where it cannot be made or written to.
    explicit CheckpointFolder(std::filesystem::path folder);

    bool empty() const;  ///< whether it holds no checkpoint, valid or not
    /// The newest valid one, its file's name put into `file`. Of each newer one that is not valid,
    /// `tell` gets a line that says why. Nothing where none is valid.
    std::optional<Model> newest(const std::function<void(const std::string&)>& tell,
                                std::string& file);
    /// Adds one, and removes all but it and the one before: the last that save() wrote or newest()
    /// gave. Without either, as in a folder that was never asked, nothing is removed. Throws as
    /// save_model(); then the others are all still there.
    void save(const Model& model);

  private:
    std::filesystem::path folder_;
    std::string last_good_;  ///< file name; empty: none is known to be readable
};
