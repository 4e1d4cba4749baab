// checkpoint.h: a folder with the last two states of a training.
//
// Each is a model file (model_file.h) with the name checkpoint-EEEEEE-SSSSSSSSS.safetensors: the
// epochs done, and the steps done of the next one. A kill at any moment leaves a readable
// checkpoint, because a file is complete before it gets its name, and the file before it is removed
// only after that.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "model/model_file.h"

class CheckpointFolder {
  public:
    /// Makes the folder if it does not exist, and removes files that a killed run left half written
    /// (see remove_half_written()). Throws InputError if the folder cannot be made or written to.
    explicit CheckpointFolder(std::filesystem::path folder);

    bool empty() const;  ///< true if it holds no checkpoint, valid or not
    /// Returns the newest valid checkpoint, and puts its file's name into `file`. For each newer
    /// checkpoint that is not valid, `tell` gets a line that says why. Returns nothing if none is
    /// valid.
    std::optional<Model> newest(const std::function<void(const std::string&)>& tell,
                                std::string& file);
    /// Adds a checkpoint. Then it removes all others but the one before, which save() wrote or
    /// newest() returned last. If there is no such checkpoint, it removes nothing. Throws as
    /// save_model() does; then all others are still there.
    void save(const Model& model);

  private:
    std::filesystem::path folder_;
    std::string last_good_;  ///< file name; empty if none is known to be readable
};
