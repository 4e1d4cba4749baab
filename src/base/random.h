// random.h: random numbers that are the same on every machine, with every compiler and library.
//
// xoshiro256++ (Blackman and Vigna, 2019) seeded by splitmix64; normal deviates by Marsaglia's
// polar method with a logarithm of our own. The standard library's distributions and the C
// library's log differ between vendors; this file uses only + - * / and sqrt, which IEEE 754 rounds
// alike everywhere (the Makefile forbids fused multiply-add in host code).
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

class Rng {
  public:
    /// Streams with different (seed, stream) are independent for all practical purposes.
    explicit Rng(std::uint64_t seed, std::uint64_t stream = 0) {
        std::uint64_t x = seed + stream * 0xd1342543de82ef95u;
        for (auto& word : state_) {  // splitmix64
            x += 0x9e3779b97f4a7c15u;
            std::uint64_t z = x;
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
            z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
            word = z ^ (z >> 31);
        }
    }

    /// 64 uniform random bits.
    std::uint64_t bits() {
        const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

    /// Uniform integer in [0, n), n > 0, without bias: it discards the draws that would favour
    /// small values.
    std::uint64_t below(std::uint64_t n) {
        const std::uint64_t first_fair = -n % n;
        std::uint64_t draw = bits();
        while (draw < first_fair) draw = bits();
        return draw % n;
    }

    /// Normal with mean 0 and variance 1 (Marsaglia's polar method, one of its two deviates).
    double normal() {
        double u, s;
        do {
            u = 2.0 * uniform() - 1.0;
            const double v = 2.0 * uniform() - 1.0;
            s = u * u + v * v;
        } while (s >= 1.0 || s == 0.0);
        return u * std::sqrt(-2.0 * log_portable(s) / s);
    }

  private:
    /// ln x for x in (0, 1): x = m 2^e with m in [1/sqrt 2, sqrt 2), and
    /// ln m = 2 artanh((m-1)/(m+1)) by its series, whose first omitted term is below 2^-57.
    static double log_portable(double x) {
        int exponent;
        double m = std::frexp(x, &exponent);
        if (m < 0.70710678118654752) {
            m *= 2.0;
            --exponent;
        }
        const double r = (m - 1.0) / (m + 1.0), r2 = r * r;
        double series = 0.0;
        for (int k = 21; k >= 1; k -= 2) series = series * r2 + 1.0 / k;
        return 2.0 * r * series + exponent * 0.69314718055994531;
    }

    std::uint64_t state_[4];
};

/// Uniform numbers as NumPy's legacy generator draws them after np.random.seed(seed). The seed must
/// be below 2^32; higher bits are ignored. The C++ standard fixes every bit of this generator.
class NumpyRng {
  public:
    explicit NumpyRng(std::uint64_t seed) : twister_(static_cast<std::uint32_t>(seed)) {}

    /// Uniform in [0, 1), a multiple of 2^-53 made of the upper bits of two draws.
    double uniform() {
        const auto upper = static_cast<double>(twister_() >> 5);
        const auto lower = static_cast<double>(twister_() >> 6);
        return (upper * 0x1p26 + lower) * 0x1p-53;
    }

  private:
    std::mt19937 twister_;
};

/// Puts `items` in random order (Fisher and Yates).
template <class T>
void shuffle(std::vector<T>& items, Rng& rng) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[rng.below(i)]);
}
