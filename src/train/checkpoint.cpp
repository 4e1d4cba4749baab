// checkpoint.cpp: finds the checkpoints in a folder and the newest one, and removes old ones.
#include "train/checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/whole_file.h"

namespace fs = std::filesystem;

namespace {

struct Checkpoint {
    int epoch, step;
    std::string name;
};

std::string name_at(int epoch, int step) {
    std::array<char, 64> name;
    std::snprintf(name.data(), name.size(), "checkpoint-%06d-%09d.safetensors", epoch, step);
    return name.data();
}

[[noreturn]] void cannot_use(const fs::path& folder, const std::string& why) {
    refuse(folder.string(), "a folder that can hold checkpoints", "\"" + why + "\"",
           "give another one with --checkpoint DIR");
}

/// Sets epoch and step from the file's name; returns false if it is not exactly a checkpoint's
/// name.
bool read_name(Checkpoint& file) {
    constexpr std::string_view begin = "checkpoint-";
    if (!file.name.starts_with(begin)) return false;
    const char* const end = file.name.data() + file.name.size();
    const auto epoch = std::from_chars(file.name.data() + begin.size(), end, file.epoch);
    if (epoch.ptr == end) return false;
    std::from_chars(epoch.ptr + 1, end, file.step);
    return file.epoch >= 0 && file.step >= 0 && file.name == name_at(file.epoch, file.step);
}

/// The files of the folder whose name is exactly a checkpoint's, the newest first.
std::vector<Checkpoint> checkpoints_in(const fs::path& folder) {
    std::vector<Checkpoint> found;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        Checkpoint file{0, 0, entry->path().filename().string()};
        if (read_name(file)) found.push_back(std::move(file));
    }
    if (error) cannot_use(folder, error.message());
    std::sort(found.begin(), found.end(), [](const Checkpoint& a, const Checkpoint& b) {
        return a.epoch != b.epoch ? a.epoch > b.epoch : a.step > b.step;
    });
    return found;
}

}  // namespace

CheckpointFolder::CheckpointFolder(fs::path folder) : folder_(std::move(folder)) {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) cannot_use(folder_, error.message());
    if (::access(folder_.c_str(), R_OK | W_OK | X_OK) != 0)
        cannot_use(folder_, std::generic_category().message(errno));
    remove_half_written(folder_, "checkpoint-");
}

bool CheckpointFolder::empty() const { return checkpoints_in(folder_).empty(); }

std::optional<Model> CheckpointFolder::newest(const std::function<void(const std::string&)>& tell,
                                              std::string& file) {
    for (const Checkpoint& checkpoint : checkpoints_in(folder_)) {
        const fs::path path = folder_ / checkpoint.name;
        try {
            Model model = load_model(path);
            const TrainingState& state = model.facts.state;
            if (state.epoch != checkpoint.epoch || state.step != checkpoint.step)
                refuse(
                    path.string(), "the state of its name",
                    "epoch " + std::to_string(state.epoch) + ", step " + std::to_string(state.step),
                    "give it back its own name");
            file = last_good_ = checkpoint.name;
            return model;
        } catch (const InputError& error) {
            tell(error.what());
        }
    }
    return {};
}

void CheckpointFolder::save(const Model& model) {
    const std::string name = name_at(model.facts.state.epoch, model.facts.state.step);
    save_model(folder_ / name, model);
    // A checkpoint with a newer name must be damaged; otherwise the run would have gone on from it.
    if (!last_good_.empty() && last_good_ != name)
        for (const Checkpoint& other : checkpoints_in(folder_)) {
            std::error_code ignored;  // an old file that stays does no harm
            if (other.name != name && other.name != last_good_)
                fs::remove(folder_ / other.name, ignored);
        }
    last_good_ = name;
}
