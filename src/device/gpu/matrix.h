// matrix.h: how matrices lie in the device's memory: column-major and packed, so that the leading
// dimension is the number of rows.
#pragma once
#include <cstddef>

#include "base/real.h"

/// Whether a product takes a matrix as it is stored or its transpose.
enum class Transposed : bool { no, yes };

/// Where element (i, j) of a matrix of `rows` rows lies.
ON_HOST_AND_DEVICE inline std::size_t position(int i, int j, int rows) {
    return static_cast<std::size_t>(j) * static_cast<std::size_t>(rows) +
           static_cast<std::size_t>(i);
}
