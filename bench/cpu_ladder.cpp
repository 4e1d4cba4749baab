// cpu_ladder.cpp: what each idea of the CPU's products buys, one rung after the other.
//
//     cpu_ladder [DATA=data [ROUNDS=7 [ISA]]]
//
// One thread trains 784-H-10 on MNIST in whole steps: inputs, forward, softmax, deltas, gradients,
// updates. Each rung does one thing otherwise than the one before it, which its row of `rungs`
// names. All of them call the functions of device/cpu/table.h, on the same memory. So what is
// gained comes from that thing alone.
//
// First every rung trains from the same start, and all must end with the same bits. Then the rungs
// take turns in rounds, each about 50 ms long. A line is "hidden,batch,rung,us_per_image,gain": the
// median of the rounds, and how many times as fast that is as the rung before.
// Exit codes: 0 right; 1 bits differ; 2 bad use, or no such instruction set; 3 no images.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "device/cpu/buffer.h"
#include "device/cpu/isa.h"
#include "device/cpu/table.h"
#include "device/cpu/workspace.h"
#include "mnist_reader.h"
#include "model/initial.h"

namespace {

/// Where a step of this rung leaves zeros out, and whether it updates a weight while its gradient
/// is in registers.
struct Rung {
    const char* name;
    bool sparse_forward, sparse_gradient, fused;
};

constexpr Rung rungs[] = {
    {"full products of our own", false, false, false},
    {"zeros left out forward", true, false, false},
    {"zeros left out in the gradient", true, true, false},
    {"update fused with the gradient", true, true, true},
};

/// A network 784-hidden-10, and the images of a mini-batch.
struct Shape {
    int hidden, batch;
};
constexpr Shape shapes[] = {{200, 24}, {100, 800}, {512, 256}, {1024, 1024}};

constexpr nn_real rate = nn_real{0.1f}, reg = nn_real{1e-4f}, pixel_scale = nn_real{1} / 255;
constexpr int checked_steps = 20;
constexpr double seconds_of_round = 0.05;

/// A network and one mini-batch, in memory that all rungs use.
class Trainer {
  public:
    Trainer(const SampleSet& set, Shape shape)
        : set_(set),
          batch_(shape.batch),
          shape_{Layout({static_cast<int>(set.features()), shape.hidden, set.classes}), batch_,
                 pixel_scale},
          start_(initial_parameters<nn_real>(shape_.layout, 1, 0)),
          memory_(bytes(FirstLayerKind::sparse)),
          memory_of_rows_(bytes(FirstLayerKind::dense)),
          space_(shape_, FirstLayerKind::sparse, batch_, memory_.data()),
          inputs_(Workspace(shape_, FirstLayerKind::dense, batch_, memory_of_rows_.data()).inputs),
          gradient_(shape_.layout.total()),
          panel_(cpu_panel),
          waiting_(cpu_waiting(std::max({shape_.layout.inputs(), shape.hidden, batch_}))),
          order_(set.count()) {
        if (order_.size() < static_cast<std::size_t>(batch_))
            throw std::runtime_error("there are too few images");
        std::iota(order_.begin(), order_.end(), std::size_t{0});
        std::ranges::shuffle(order_, std::mt19937_64(1));
        for (int byte = 0; byte < 256; ++byte)
            value_of_pixel_[byte] = pixel_scale * static_cast<nn_real>(byte);
        inputs_.masked = space_.inputs.masked;
        inputs_.masked.value_of_pixel = value_of_pixel_;
        std::fill_n(top_.bias, top_.ld, no_logit);
        restart();
    }

    /// One step on the next mini-batch of the order.
    void step(const Rung& rung) {
        if (next_ + static_cast<std::size_t>(batch_) > order_.size()) next_ = 0;
        take_batch(rung);
        forward(rung);
        loss_ = f_.softmax_cross_entropy(top_, samples_, space_.labels,
                                         1 / static_cast<nn_real>(batch_));
        f_.dense_delta(first_, top_, samples_, hidden_.times_slope, scratch_);
        gradients(rung);
        if (!rung.fused) update_all();
    }

    /// The parameters and the last loss after some steps from the start.
    std::vector<nn_real> trained(const Rung& rung) {
        restart();
        for (int i = 0; i < checked_steps; ++i) step(rung);
        std::vector<nn_real> result{static_cast<nn_real>(loss_)};
        for_each_row([&](std::size_t, nn_real* row, int count, nn_real) {
            result.insert(result.end(), row, row + count);
        });
        return result;
    }

  private:
    std::size_t bytes(FirstLayerKind kind) const {
        return Workspace(shape_, kind, batch_, nullptr).bytes;
    }
    void restart() {
        next_ = 0;
        for_each_row([&](std::size_t offset, nn_real* row, int count, nn_real) {
            std::copy_n(start_.values.begin() + static_cast<std::ptrdiff_t>(offset), count, row);
        });
    }

    /// row(place in the packed gradient, the row, its elements, its penalty) for all parameters.
    template <class Action>
    void for_each_row(Action&& row) {
        for (int l = 1; l <= 2; ++l) {
            const CpuLayer& layer = space_.layers[static_cast<std::size_t>(l)];
            const Layout& layout = shape_.layout;
            for (int i = 0; i < layer.inputs; ++i)
                row(layout.weight_offset(l) + elements(layer.outputs, i), layer.weights(i),
                    layer.outputs, reg);
            row(layout.bias_offset(l), layer.bias, layer.outputs, nn_real{0});
        }
    }

    /// Images lie anywhere in memory, so each is prefetched some images ahead. The second rung
    /// needs them in both forms.
    void take_batch(const Rung& rung) {
        const std::size_t pixels = set_.features();
        const auto image = [&](std::size_t at) {
            return set_.pixels.data() + order_[at % order_.size()] * pixels;
        };
        for (int j = 0; j < batch_; ++j, ++next_) {
            for (std::size_t i = 0; i < pixels; i += 64) __builtin_prefetch(image(next_ + 4) + i);
            space_.labels[j] = set_.labels[order_[next_]];
            if (rung.sparse_forward) f_.take_masked(inputs_.masked, j, image(next_));
            if (!rung.sparse_gradient)
                f_.pixels_to_real(pixels, pixel_scale, image(next_),
                                  inputs_.rows + static_cast<std::size_t>(j) * inputs_.rows_ld);
        }
    }

    void forward(const Rung& rung) {
        if (rung.sparse_forward)
            f_.sparse_forward(first_, inputs_.masked, samples_, units(first_), hidden_.activate);
        else
            f_.dense_forward(first_, inputs_.rows, inputs_.rows_ld, samples_, units(first_),
                             hidden_.activate, scratch_);
        f_.dense_forward(top_, first_.a, first_.ld, samples_, units(top_), nullptr, scratch_);
    }

    void gradients(const Rung& rung) {
        const auto use = [&](std::size_t offset) {
            return CpuGradientUse{{rate, reg}, rung.fused ? nullptr : gradient_.data() + offset};
        };
        const Layout& layout = shape_.layout;
        f_.bias_gradient(top_, batch_, units(top_), use(layout.bias_offset(2)));
        f_.dense_gradient(top_, first_.a, first_.ld, batch_, {0, top_.inputs}, units(top_),
                          use(layout.weight_offset(2)), scratch_);
        f_.bias_gradient(first_, batch_, units(first_), use(layout.bias_offset(1)));
        const Range inputs{0, first_.inputs};
        if (!rung.sparse_gradient)
            return f_.dense_gradient(first_, inputs_.rows, inputs_.rows_ld, batch_, inputs,
                                     units(first_), use(layout.weight_offset(1)), scratch_);
        f_.turn_masks(inputs_.masked, inputs, batch_);
        f_.sparse_gradient(first_, inputs_.masked, batch_, inputs, units(first_),
                           use(layout.weight_offset(1)), scratch_.waiting);
    }

    /// The pass over the stored gradient and all parameters.
    void update_all() {
        for_each_row([&](std::size_t offset, nn_real* row, int count, nn_real penalty) {
            f_.update({rate, penalty}, static_cast<std::size_t>(count), gradient_.data() + offset,
                      row, 0);
        });
    }

    Range units(const CpuLayer& layer) const { return {0, ceil_div(layer.outputs, f_.lanes)}; }

    const CpuFunctions& f_ = cpu_functions();
    const CpuHiddenFunctions& hidden_ = f_.hidden_by(Activation{});
    const SampleSet& set_;
    int batch_;
    ReplicaShape shape_;
    Parameters<nn_real> start_;
    Buffer<std::byte> memory_, memory_of_rows_;
    Workspace space_;
    Inputs inputs_;  ///< in both forms
    const CpuLayer &first_ = space_.layers[1], &top_ = space_.layers[2];
    Range samples_{0, batch_};
    Buffer<nn_real> gradient_, panel_, waiting_;
    CpuScratch scratch_{panel_.data(), waiting_.data()};
    nn_real value_of_pixel_[256];
    std::vector<std::size_t> order_;
    std::size_t next_ = 0;  ///< place in the order
    double loss_ = 0;
};

double microseconds_of_image(Trainer& trainer, const Rung& rung, int batch) {
    const auto start = std::chrono::steady_clock::now();
    std::chrono::duration<double> took{};
    double steps = 0;
    for (; took.count() < seconds_of_round; ++steps) {
        trainer.step(rung);
        took = std::chrono::steady_clock::now() - start;
    }
    return took.count() * 1e6 / (steps * batch);
}

/// False if the bits of two rungs differ.
bool climb(const SampleSet& set, Shape shape, int rounds) {
    Trainer trainer(set, shape);
    const std::vector<nn_real> expected = trainer.trained(rungs[0]);
    for (const Rung& rung : rungs)
        if (const auto found = trainer.trained(rung);
            std::memcmp(found.data(), expected.data(), expected.size() * sizeof(nn_real)) != 0) {
            std::fprintf(stderr, "cpu_ladder: (%d, %d), %s: other bits than the first rung's\n",
                         shape.hidden, shape.batch, rung.name);
            return false;
        }
    constexpr std::size_t count = std::size(rungs);
    std::vector<double> seen[count];
    for (std::size_t turn = 0; turn < static_cast<std::size_t>(rounds) * count; ++turn) {
        const std::size_t i = (turn + turn / count) % count;
        seen[i].push_back(microseconds_of_image(trainer, rungs[i], shape.batch));
    }
    double before = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::ranges::sort(seen[i]);
        const double now = seen[i][seen[i].size() / 2];
        std::printf("%d,%d,%s,%.4f,%.3f\n", shape.hidden, shape.batch, rungs[i].name, now,
                    i == 0 ? 1 : before / now);
        before = now;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string data = argc > 1 ? argv[1] : "data";
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
    const auto isa = value_named<CpuIsa>(argc > 3 ? argv[3] : name_of(widest_isa()));
    if (rounds < 1 || !isa || (*isa != CpuIsa::automatic && *isa > widest_isa())) {
        std::fprintf(stderr, "cpu_ladder: bad use, or no such instruction set here\n");
        return 2;
    }
    take_isa(*isa == CpuIsa::automatic ? widest_isa() : *isa);
    try {
        const SampleSet set = read_mnist(data, Split::train);
        std::printf("# %s, %s\nhidden,batch,rung,us_per_image,gain\n", cpu_functions().name,
                    nn_real_name);
        for (const Shape shape : shapes)
            if (!climb(set, shape, rounds)) return 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "cpu_ladder: %s\n", error.what());
        return 3;
    }
}
