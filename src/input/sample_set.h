// sample_set.h: samples in memory: images with labels, or the rows of a table.
//
// What is read stays as small as it came until a device takes it: pixels and labels are bytes. A
// table's numbers are rounded once, to nn_real, so that every device and the reference begin with
// the same ones. A sample is a contiguous column, whichever it is.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/real.h"

/// What a sample is made of, for those who move it as bytes.
struct SampleFormat {
    bool number_inputs = false;    ///< nn_real each, instead of pixels
    bool number_targets = false;   ///< nn_real for each output, instead of one label
    bool without_targets = false;  ///< neither: what the samples are is to be predicted

    std::size_t input_bytes(int inputs) const {  ///< of one sample
        return static_cast<std::size_t>(inputs) * (number_inputs ? sizeof(nn_real) : 1);
    }
    std::size_t target_bytes(int outputs) const {  ///< of one sample
        if (without_targets) return 0;
        return number_targets ? static_cast<std::size_t>(outputs) * sizeof(nn_real) : 1;
    }

    bool operator==(const SampleFormat&) const = default;
};

/// N samples. By the format, inputs are `pixels` or `inputs`, and targets `labels`, `targets` or
/// neither; what is not used is empty.
struct SampleSet {
    int rows = 0, cols = 0;  ///< of one image, in pixels; of a table's sample: inputs x 1
    int classes = 0;         ///< outputs: largest label + 1, or what the caller fixed
    std::vector<std::uint8_t> pixels = {};  ///< features() x N
    std::vector<std::uint8_t> labels = {};  ///< N
    std::vector<nn_real> inputs = {};       ///< features() x N
    std::vector<nn_real> targets = {};      ///< classes x N
    SampleFormat format = {};

    std::size_t features() const {
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
    }
    std::size_t count() const {  ///< N
        if (format.without_targets) return per_sample(pixels.size() + inputs.size(), features());
        return labels.size() + per_sample(targets.size(), static_cast<std::size_t>(classes));
    }

    /// All samples' inputs and targets as they lie in memory, by the format.
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
