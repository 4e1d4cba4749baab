// gpu_steps.h: a training step of a network with one hidden layer, by our kernels and by a library.
//
// The library's step is meant to be as good as one can make it from GEMMs and plain kernels without
// writing a GEMM: its images lie on the device in nn_real, biases are one more weight whose input
// is 1 (which saves every bias and row-sum kernel), and it is recorded as a graph as ours is.
#pragma once
#include <functional>
#include <vector>

#include "device/gpu/cublas.h"
#include "device/gpu/joint.h"
#include "gpu_problem.h"
#include "model/parameters.h"

struct Shape {
    int hidden, batch;
};

inline constexpr nn_real step_rate = static_cast<nn_real>(0.5);
inline constexpr nn_real step_reg = static_cast<nn_real>(1e-4);

/// The kernels of ./main on one rank.
class OurStep {
  public:
    OurStep(const Gpu& gpu, GemmBy by, Shape shape, const Images& images);

    /// Each puts its kernel on the stream; the last does it all, by layer, head and descent.
    void layer(int batch);
    void head(int batch);
    void descent(int batch) { descent(batch, update_); }
    /// What a step of several ranks, or by other rules, has in place of the descent.
    void gradient(int batch);
    void step() { step(update_); }
    /// With a rate of 0, so that timing it a thousand times leads the parameters nowhere.
    void descent_on_the_spot(int batch) { descent(batch, no_update_); }
    void step_on_the_spot() { step(no_update_); }
    void all(int batch);

    /// What each kernel writes becomes NaN.
    void poison_layer() { a_.fill_bytes(0xff, gpu_.stream); }
    void poison_head();
    void poison_gradient() { parts_.fill_bytes(0xff, gpu_.stream); }

    /// Of each kernel's last run, against its own inputs. Each waits.
    double layer_error(int batch) const;
    double head_error(int batch) const;
    double gradient_error(int batch) const;
    /// Runs step() itself.
    double step_error();

    void set_parameters(const std::vector<nn_real>& values) { p_.upload(values, gpu_.stream); }
    std::vector<nn_real> parameters() const { return p_.download(gpu_.stream); }
    const Layout& layout() const { return layout_; }

  private:
    void descent(int batch, const DeviceArray<UpdateNumbers>& numbers);
    void step(const DeviceArray<UpdateNumbers>& numbers) {
        gpu_update(gpu_, runs(), Sgd{}, numbers.data(), p_.data(), 0);
    }
    std::vector<Parts> runs() const;

    Gpu gpu_;
    GemmBy by_;
    Shape shape_;
    const Images& images_;
    Layout layout_;
    GemmPlan layer_plan_, gradient_plan_, descent_plan_;
    int head_parts_;
    JointMemory joint_;
    DigitsMemory digits_;
    DeviceArray<nn_real> p_, a_, yhat_, delta_, head_gradient_, parts_;
    DeviceArray<UpdateNumbers> update_, no_update_;
    DeviceArray<double> loss_;
};

/// Where op(B) has only ones, which bring a bias along: in its last row, or in its last column.
enum class Ones { none, in_sum, in_columns };
/// C = op(A) op(B), op(A) m x k, op(B) k x n, put on the stream.
using Product = std::function<void(Ones ones, int m, int n, int k, CublasMatrix a, CublasMatrix b,
                                   nn_real* c, int c_stride)>;
/// A product by the plainest kernel: the reference for whole steps, right and slow.
Product plain_product(const Gpu& gpu);

class LibraryStep {
  public:
    LibraryStep(const Gpu& gpu, Product product, Shape shape, const Images& images);
    void all(int batch);

    void set_parameters(const std::vector<nn_real>& values) { p_.upload(values, gpu_.stream); }
    std::vector<nn_real> parameters() const { return p_.download(gpu_.stream); }

  private:
    nn_real* weights(DeviceArray<nn_real>& flat, int l) {
        return flat.data() + layout_.weight_offset(l);
    }

    Gpu gpu_;
    Product product_;
    Shape shape_;
    const Images& images_;
    Layout layout_;
    int a_stride_;
    DeviceArray<nn_real> p_, gradient_, a_, delta_below_, delta_;
    DeviceArray<double> loss_;
};
