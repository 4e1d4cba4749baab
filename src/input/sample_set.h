// sample_set.h: samples in memory: images with labels, or the rows of a table.
//
// Samples stay as small as in the file until a device takes them: pixels and labels are bytes. A
// table's numbers are rounded once, to nn_real, so that every device and the reference begin with
// the same numbers. A sample is always a contiguous column.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/real.h"

/// The types of a sample's inputs and targets. Code that moves samples as bytes needs no more.
struct SampleFormat {
    bool number_inputs = false;    ///< inputs are nn_real, not pixels
    bool number_targets = false;   ///< targets are one nn_real for each output, not one label
    bool without_targets = false;  ///< there are no targets, only inputs to predict from

    std::size_t input_bytes(int inputs) const {  ///< of one sample
        return static_cast<std::size_t>(inputs) * (number_inputs ? sizeof(nn_real) : 1);
    }
    std::size_t target_bytes(int outputs) const {  ///< of one sample
        if (without_targets) return 0;
        return number_targets ? static_cast<std::size_t>(outputs) * sizeof(nn_real) : 1;
    }

    bool operator==(const SampleFormat&) const = default;
};

/// N samples. The format says whether inputs are in `pixels` or `inputs`, and targets in `labels`,
/// `targets` or neither. Unused vectors are empty.
struct SampleSet {
    int rows = 0, cols = 0;  ///< of one image, in pixels; of a table's sample: inputs x 1
    int classes = 0;         ///< outputs: largest label + 1, or what the caller fixed
    std::vector<std::uint8_t> pixels = {};  ///< features() x N
    std::vector<std::uint8_t> labels = {};  ///< N
    std::vector<nn_real> inputs = {};       ///< features() x N
    std::vector<nn_real> targets = {};      ///< classes x N
    SampleFormat format = {};
    std::vector<std::string> class_names = {};  ///< `classes` of them; empty: they are numbers

    std::size_t features() const {
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
    }
    std::size_t count() const {  ///< N
        if (format.without_targets) return per_sample(pixels.size() + inputs.size(), features());
        return labels.size() + per_sample(targets.size(), static_cast<std::size_t>(classes));
    }

    /// The fraction of all inputs that are not zero, from 0 to 1.
    double density() const {
        const auto of = [](const auto& values) {
            const auto zeros = std::count(values.begin(), values.end(), 0);
            return 1 - static_cast<double>(zeros) / static_cast<double>(values.size());
        };
        if (count() == 0) return 0;
        return format.number_inputs ? of(inputs) : of(pixels);
    }

    /// The bytes of all samples' inputs and targets as they lie in memory.
    std::span<const std::uint8_t> input_bytes() const {
        return format.number_inputs ? bytes_of(inputs) : std::span(pixels);
    }
    std::span<const std::uint8_t> target_bytes() const {
        return format.number_targets ? bytes_of(targets) : std::span(labels);
    }

  private:
    static std::size_t per_sample(std::size_t values, std::size_t each) {
        return values == 0 ? 0 : values / each;
    }
    static std::span<const std::uint8_t> bytes_of(const std::vector<nn_real>& values) {
        return {reinterpret_cast<const std::uint8_t*>(values.data()),
                values.size() * sizeof(nn_real)};
    }
};
