// gpu_problem.h: the benchmark's images, and how far a kernel's result is from where it should be.
//
// References are computed on the host in higher precision, for a sample of elements, from what the
// device really had as inputs; the bounds are judge.h's, carried through what follows a product.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/real.h"
#include "device/gpu/owned.h"

using Wide = std::conditional_t<std::is_same_v<nn_real, float>, double, long double>;

/// Images like a training set's, random: as bytes, and in nn_real for cuBLAS.
class Images {
  public:
    Images(int pixels, int count, int classes, cudaStream_t stream);

    int pixels() const { return pixels_; }
    int count() const { return count_; }
    int classes() const { return classes_; }
    /// Full batches of `size` images.
    int batches(int size) const { return count_ / size; }

    /// The first image of a batch, and its label.
    const std::uint8_t* bytes(int batch, int size) const;
    const std::uint8_t* labels(int batch, int size) const;
    /// The same on the host.
    const std::uint8_t* host_bytes(int batch, int size) const;
    const std::uint8_t* host_labels(int batch, int size) const;
    /// pixel x scale, packed.
    const nn_real* packed(int batch, int size) const;
    /// [pixel x scale; 1], columns `stride()` apart: a layer's bias is then one more weight.
    const nn_real* with_ones(int batch, int size) const;
    int stride() const { return stride_; }

    static constexpr nn_real scale = nn_real{1} / 255;

  private:
    std::size_t first(int batch, int size, int stride) const {
        return static_cast<std::size_t>(batch) * static_cast<std::size_t>(size) *
               static_cast<std::size_t>(stride);
    }
    int pixels_, count_, classes_, stride_;
    std::vector<std::uint8_t> host_bytes_, host_labels_;
    DeviceArray<std::uint8_t> bytes_, labels_;
    DeviceArray<nn_real> packed_, with_ones_;
};

/// A matrix of the host; columns are `rows` apart.
struct HostMatrix {
    const std::vector<nn_real>& values;
    int rows;
    Wide at(int i, int j) const {
        return static_cast<Wide>(
            values[static_cast<std::size_t>(j) * static_cast<std::size_t>(rows) +
                   static_cast<std::size_t>(i)]);
    }
};

/// The largest error among elements, in parts of their bounds; infinite once there was a NaN.
class Worst {
  public:
    void add(Wide got, Wide expected, Wide bound);
    double value() const { return value_; }

  private:
    double value_ = 0;
};

/// Places (i, j), i < rows, j < cols, with the corners among them.
std::vector<std::pair<int, int>> sample(int rows, int cols, int count);

std::vector<nn_real> normal_numbers(std::size_t count, double deviation, std::uint64_t seed);

struct LayerCheck {
    int m, k;             ///< rows and columns of W
    const nn_real* bias;  ///< null: the product alone; else product + bias
    HostMatrix w;
    const std::uint8_t* x;  ///< k x n bytes
    bool activated = true;  ///< a sigmoid follows the bias
};
double layer_error(const LayerCheck& check, const std::vector<nn_real>& out, int n);

/// [dW|db] = delta [X; 1]^T, or without the last column; `out` is the sum of its parts.
double gradient_error(HostMatrix delta, const std::uint8_t* x, int n, int pixels, int columns,
                      const std::vector<nn_real>& out, int parts);

/// All that gpu_head writes but the loss.
struct HeadCheck {
    int classes, k, n;
    HostMatrix w;  ///< classes x (k + 1), the last column is the bias
    HostMatrix a;  ///< k x n
    const std::uint8_t* labels;
    nn_real scale;
    HostMatrix yhat, delta_below;
    const std::vector<nn_real>& gradient;  ///< parts of classes x (k + 1)
    int parts;
};
double head_error(const HeadCheck& check);

/// after = before - rate (sum of parts + reg before), for elements [first, first + count) of the
/// flat parameters, the first `penalised` of which are weights.
struct StepCheck {
    std::size_t first, count, penalised;
    const std::vector<nn_real>& gradient;
    int parts;
};
double step_error(const StepCheck& check, const std::vector<nn_real>& before,
                  const std::vector<nn_real>& after, nn_real rate, nn_real reg);

/// ||x - reference|| / ||reference - start||, in parts of what rounding may plausibly do to a few
/// steps. It is no derived bound, for the kernels are judged one by one; a wrong formula or a
/// missed term changes the parameters' way by far more.
double path_error(const std::vector<nn_real>& x, const std::vector<nn_real>& reference,
                  const std::vector<nn_real>& start);
