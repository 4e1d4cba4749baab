// masked_inputs.h: inputs of every density, and the masks that the CPU's table makes of them.
#pragma once
#include "tests/support/cpu_table_fixture.h"

struct InputCase {
    int inputs, n;
    bool bytes;      ///< pixels, or numbers
    double density;  ///< the part that is not 0; one_pixel: one input of each sample

    static constexpr double one_pixel = -1;
    std::string text() const {
        return std::to_string(inputs) + " inputs, " + std::to_string(n) + " samples of " +
               (bytes ? "bytes" : "numbers") + ", " +
               (density == one_pixel ? "one pixel each" : "density " + std::to_string(density));
    }
};
inline constexpr double densities[] = {0, InputCase::one_pixel, 0.19, 0.5, 1};

/// Unless all inputs are set, the sample in the middle has none, and one input is never set.
struct TestInputs {
    InputCase c;
    Bytes bytes;  ///< n samples, as they are handed over
    Reals x;      ///< n x inputs, their values
    Reals value_of_pixel;

    TestInputs(const InputCase& shape, Rng& rng, bool whole = false) : c(shape) {
        const nn_real scale = whole ? nn_real{1} : nn_real{1} / 255;
        for (int b = 0; b < 256; ++b) value_of_pixel.push_back(scale * static_cast<nn_real>(b));
        for (int j = 0; j < c.n; ++j) {
            const int place =
                j == 0 ? c.inputs - 1
                       : static_cast<int>(rng.below(static_cast<std::uint64_t>(c.inputs)));
            for (int i = 0; i < c.inputs; ++i) {
                const double r = rng.uniform();
                const bool set = c.density == InputCase::one_pixel ? i == place : r < c.density;
                add(is_never_set(i, j) ? false : set, whole, rng);
            }
        }
    }
    int never_set() const { return c.density < 1 && c.inputs > 1 ? c.inputs / 3 : -1; }
    int empty_sample() const { return c.density < 1 && c.n > 1 ? c.n / 2 : -1; }
    bool is_set(int i, int j) const { return x[at(i, j, c.inputs)] != 0; }
    std::size_t bytes_of_sample() const {
        return static_cast<std::size_t>(c.inputs) * (c.bytes ? 1 : sizeof(nn_real));
    }

  private:
    bool is_never_set(int i, int j) const { return i == never_set() || j == empty_sample(); }
    void add(bool set, bool whole, Rng& rng) {
        if (c.bytes) {
            bytes.push_back(set ? static_cast<std::uint8_t>(1 + rng.below(255)) : std::uint8_t{0});
            return x.push_back(value_of_pixel[bytes.back()]);
        }
        nn_real value =
            static_cast<nn_real>(whole ? 1 + static_cast<int>(rng.below(4)) : rng.normal());
        if (!set) value = 0;
        x.push_back(value);
        const auto* const raw = reinterpret_cast<const std::uint8_t*>(&value);
        bytes.insert(bytes.end(), raw, raw + sizeof value);
    }
};

/// Inputs with their masks, each array between guards. What is not stored keeps the bits of poison:
/// every mask of it is full, and every number a NaN.
class MaskedInputs {
  public:
    MaskedInputs(const CpuFunctions& f, const TestInputs& inputs)
        : f_(f),
          in_(inputs),
          groups_(ceil_div(in_.c.inputs, mask_bits)),
          capacity_(std::max(1, ceil_div(in_.c.n, mask_bits)) * mask_bits),
          bytes_("bytes", in_.bytes),
          value_of_pixel_("value_of_pixel", in_.value_of_pixel),
          values_("values", poison<std::uint8_t>(elements(groups_ * mask_bits, capacity_) *
                                                 (in_.c.bytes ? 1 : sizeof(nn_real)))),
          of_sample_("of_sample", poison<std::uint64_t>(elements(groups_, capacity_))),
          of_input_("of_input",
                    poison<std::uint64_t>(elements(in_.c.inputs, capacity_ / mask_bits))) {}

    CpuMasked masked() {
        return {in_.c.inputs,       capacity_,
                values_.output(),   of_sample_.output(),
                of_input_.output(), in_.c.bytes ? value_of_pixel_.data() : nullptr};
    }
    void take(Range samples) {
        const CpuMasked to = masked();
        for (int j = samples.first; j < samples.first + samples.count; ++j)
            f_.take_masked(to, j,
                           bytes_.data() + static_cast<std::size_t>(j) * in_.bytes_of_sample());
    }
    void turn(Range inputs) { f_.turn_masks(masked(), inputs, in_.c.n); }
    /// All of it.
    CpuMasked made() {
        take({0, in_.c.n});
        turn({0, in_.c.inputs});
        return masked();
    }

    int groups() const { return groups_; }
    int capacity() const { return capacity_; }
    Bytes values() const { return values_.values(); }
    std::vector<std::uint64_t> of_sample() const { return of_sample_.values(); }
    std::vector<std::uint64_t> of_input() const { return of_input_.values(); }

  private:
    const CpuFunctions& f_;
    const TestInputs& in_;
    int groups_, capacity_;
    const OnHost<std::uint8_t> bytes_;
    const OnHost<nn_real> value_of_pixel_;
    OnHost<std::uint8_t> values_;
    OnHost<std::uint64_t> of_sample_, of_input_;
};
