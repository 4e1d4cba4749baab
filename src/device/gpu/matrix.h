// matrix.h: how matrices lie in the device's memory: column-major and packed, so that the leading
// dimension is the number of rows.
#pragma once
#include "base/range.h"

/// Whether a product takes a matrix as it is stored or its transpose.
enum class Transposed : bool { no, yes };
