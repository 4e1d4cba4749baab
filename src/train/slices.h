// slices.h: adds up the gradients of the slices of one mini-batch, in host memory.
#pragma once
#include <vector>

#include "device/lent.h"

/// Which of the slices of a mini-batch the current samples are.
struct Slice {
    bool is_first = true, is_last = true;
};

class GradientOfSlices {
  public:
    /// Takes a part of a slice's gradient. Of the last slice, the part then holds the sum of all
    /// slices, added in their order.
    void take(const Lent& lent, const Slice& slice);

  private:
    std::vector<nn_real> sum_;  ///< by the parts' places
};
