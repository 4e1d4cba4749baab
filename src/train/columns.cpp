// columns.cpp: samples as the reference takes them: a matrix with a column for each sample, in
// double.
#include "neural_network.h"

Matrix input_columns(const SampleSet& set, std::span<const std::uint32_t> samples,
                     nn_real pixel_scale) {
    const std::size_t d = set.features();
    Matrix x(static_cast<int>(d), static_cast<int>(samples.size()));
    for (std::size_t j = 0; j < samples.size(); ++j)
        for (std::size_t i = 0; i < d; ++i)
            x.values[j * d + i] =
                set.format.number_inputs
                    ? static_cast<double>(set.inputs[samples[j] * d + i])
                    : set.pixels[samples[j] * d + i] * static_cast<double>(pixel_scale);
    return x;
}

Matrix target_columns(const SampleSet& set, std::span<const std::uint32_t> samples) {
    Matrix y(set.classes, static_cast<int>(samples.size()));
    for (int j = 0; j < y.cols; ++j) {
        const std::size_t sample = samples[static_cast<std::size_t>(j)];
        if (set.format.number_targets)
            for (int c = 0; c < y.rows; ++c)
                y(c, j) = set.targets[sample * static_cast<std::size_t>(y.rows) +
                                      static_cast<std::size_t>(c)];
        else
            y(set.labels[sample], j) = 1;
    }
    return y;
}
