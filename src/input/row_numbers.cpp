// row_numbers.cpp: compares each row with the one before.
#include "input/row_numbers.h"

std::vector<std::size_t> row_numbers_in(const SampleSet& table) {
    constexpr std::size_t fewest = 10;
    const std::size_t inputs = table.features(), rows = table.count();
    std::vector<std::size_t> counting;
    if (rows < fewest) return counting;
    for (std::size_t i = 0; i < inputs; ++i) {
        bool counts = true;
        for (std::size_t row = 1; counts && row < rows; ++row)
            counts = table.inputs[row * inputs + i] == table.inputs[(row - 1) * inputs + i] + 1;
        if (counts) counting.push_back(i);
    }
    return counting;
}
