// resume.cpp: compares settings with settings, name by name.
#include "train/resume.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace {

/// A null pointer makes zlib start anew, so empty spans are left out.
template <class T>
unsigned long checksum(unsigned long so_far, const std::vector<T>& values) {
    if (values.empty()) return so_far;
    const auto* bytes = reinterpret_cast<const Bytef*>(values.data());
    return crc32_z(so_far, bytes, values.size() * sizeof(T));
}

/// The object in `text`; an empty object if the text holds none.
Json object_of(const std::string& text) {
    try {
        Json value = Json::parse(text);
        if (value.is_object()) return value;
    } catch (const JsonError&) {
    }
    return Json::object();
}

/// An earlier version had nothing else, and did not write it.
bool goes_without_saying(const std::string& name, const Json& value) {
    // As they stand in a file.
    static constexpr std::pair<const char*, const char*> old[] = {{"activation", "\"sigmoid\""},
                                                                  {"schedule", "\"decay\""},
                                                                  {"decay-every", "1"},
                                                                  {"warmup", "0"},
                                                                  {"accumulate", "1"},
                                                                  {"compress", "\"none\""},
                                                                  {"precision", "\"fp32\""},
                                                                  {"loss-scale", "\"1\""},
                                                                  {"sync", "\"every-step\""},
                                                                  {"outer-momentum", "0.0"},
                                                                  {"outer-rate", "1.0"},
                                                                  {"optimizer", "\"sgd\""},
                                                                  {"momentum", "0.9"},
                                                                  {"beta1", "0.9"},
                                                                  {"beta2", "0.999"},
                                                                  {"epsilon", "1e-08"}};
    return std::ranges::any_of(old, [&](const auto& setting) {
        return name == setting.first && value.dump() == setting.second;
    });
}

}  // namespace

std::string RunSettings::text() const {
    Json all = same;
    for (const auto& [name, value] : rounding.members()) all.add(name, value);
    return all.dump();
}

unsigned long checksum_of(const SampleSet& samples) {
    unsigned long sum = checksum(crc32_z(0, nullptr, 0), samples.pixels);
    sum = checksum(sum, samples.inputs);
    sum = checksum(sum, samples.labels);
    return checksum(sum, samples.targets);
}
unsigned long checksum_of(const Parameters<nn_real>& parameters) {
    return checksum(crc32_z(0, nullptr, 0), parameters.values);
}

void check_same_settings(const RunSettings& ours, const std::string& theirs,
                         const std::string& file) {
    const Json there = object_of(theirs);
    for (const auto& [name, value] : ours.same.members()) {
        const Json* const found = there.find(name);
        // Texts are compared, because reading may give a number another type.
        if (found == nullptr ? goes_without_saying(name, value) : found->dump() == value.dump())
            continue;
        throw InputError(formatted(
            "--resume: %s is of another run: its %s was %s, not %s; give the flags of that run, or "
            "name another folder",
            file.c_str(), name.c_str(), found == nullptr ? "nothing" : found->dump().c_str(),
            value.dump().c_str()));
    }
}

std::string rounding_differences(const RunSettings& ours, const std::string& theirs) {
    const Json there = object_of(theirs);
    const auto word = [](const Json& value) {
        return value.is_text() ? one_line(value.text()) : value.dump();
    };
    std::string text;
    for (const auto& [name, value] : ours.rounding.members()) {
        const Json* const found = there.find(name);
        if (found != nullptr && found->dump() != value.dump())
            text += (text.empty() ? "" : "; ") + name + " " + word(*found) + ", now " + word(value);
    }
    return text;
}
