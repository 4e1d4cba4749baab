// numbers.h: the numbers that a test puts in, the comparison of results, and their bounds.
//
// References are computed in Wide. Every bound is derived, not tuned: u is the rounding unit; + - *
// / give a factor of 1 +- u; exp and log are within 2 units in the last place (CUDA's promise, and
// device/cpu/table.cpp's for exp), 4 u; `slack` covers the products of such factors; `tiny` is the
// smallest normal number, below which a result may be inexact or flushed to 0.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/range.h"
#include "base/real.h"

using Wide = std::conditional_t<std::is_same_v<nn_real, float>, double, long double>;
using Reals = std::vector<nn_real>;
using Bytes = std::vector<std::uint8_t>;

inline constexpr Wide u = std::numeric_limits<nn_real>::epsilon() / 2;
inline constexpr Wide u_double = std::numeric_limits<double>::epsilon() / 2;
inline constexpr Wide function_error = 4 * u;
inline constexpr Wide tiny = std::numeric_limits<nn_real>::min();
inline constexpr Wide slack = static_cast<Wide>(1.01);
inline constexpr nn_real nan_real = std::numeric_limits<nn_real>::quiet_NaN();

/// The index of element (i, j) of a column-major matrix.
inline std::size_t at(int i, int j, int rows) {
    return elements(j, rows) + static_cast<std::size_t>(i);
}

// ---- What goes in ----

inline Reals normal_values(std::size_t count, Rng& rng, double deviation = 1) {
    Reals x(count);
    for (auto& v : x) v = static_cast<nn_real>(deviation * rng.normal());
    return x;
}

/// Whole numbers from -limit to limit. Sums of their products are exact, in any order.
inline Reals small_integers(std::size_t count, Rng& rng, int limit = 4) {
    Reals x(count);
    for (auto& v : x)
        v = static_cast<nn_real>(
            static_cast<int>(rng.below(2 * static_cast<std::uint64_t>(limit) + 1)) - limit);
    return x;
}

inline Bytes random_bytes(std::size_t count, Rng& rng, int below = 256) {
    Bytes x(count);
    for (auto& v : x) v = static_cast<std::uint8_t>(rng.below(static_cast<std::uint64_t>(below)));
    return x;
}

// ---- What comes out ----

/// The expected elements, and the largest error that each may have.
struct Expected {
    int rows = 1;  ///< elements are named (i % rows, i / rows)
    std::vector<Wide> values, bounds;

    void add(Wide value, Wide bound) {
        values.push_back(value);
        bounds.push_back(bound);
    }
};

/// "delta(3,7)"
inline std::string element_name(const std::string& tensor, std::size_t i, int rows) {
    const auto r = static_cast<std::size_t>(std::max(rows, 1));
    return tensor + "(" + std::to_string(i % r) + "," + std::to_string(i / r) + ")";
}

/// Checks that every element is within its bound; a NaN never is.
inline testing::AssertionResult within(const std::string& tensor, const Reals& got,
                                       const Expected& expected) {
    if (got.size() != expected.values.size())
        return testing::AssertionFailure()
               << tensor << " has " << got.size() << " elements, not " << expected.values.size();
    std::size_t wrong = 0;
    std::ostringstream first;
    first.precision(17);
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::abs(static_cast<Wide>(got[i]) - expected.values[i]) <= expected.bounds[i])
            continue;
        if (wrong++ == 0)
            first << element_name(tensor, i, expected.rows) << " = " << got[i] << ", expected "
                  << expected.values[i] << " +- " << expected.bounds[i];
    }
    if (wrong == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << first.str() << "; " << wrong << " of " << got.size() << " elements are wrong";
}

/// Checks that two results agree in every bit; NaNs must be the same NaNs.
template <class T>
testing::AssertionResult same_bits(const std::string& tensor, const std::vector<T>& got,
                                   const std::vector<T>& expected) {
    if (got.size() != expected.size())
        return testing::AssertionFailure()
               << tensor << " has " << got.size() << " elements, not " << expected.size();
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::memcmp(&got[i], &expected[i], sizeof(T)) == 0) continue;
        std::ostringstream text;
        text.precision(17);
        text << tensor << "[" << i << "] = " << +got[i] << ", expected the bits of "
             << +expected[i];
        return testing::AssertionFailure() << text.str();
    }
    return testing::AssertionSuccess();
}

/// x, rows x cols, transposed.
inline Reals transpose(const Reals& x, int rows, int cols) {
    Reals y(x.size());
    for (int j = 0; j < cols; ++j)
        for (int i = 0; i < rows; ++i) y[at(j, i, cols)] = x[at(i, j, rows)];
    return y;
}

// ---- Guarded arrays ----

/// `count` NaNs (for integers: the largest value), to find elements that are not written.
template <class T>
std::vector<T> poison(std::size_t count) {
    std::vector<T> x(count);
    if (count > 0) std::memset(x.data(), 0xff, count * sizeof(T));
    return x;
}

/// An array in Memory (host or device) between guard words. It fails the test if a guard changed,
/// or if the array changed although nobody asked for output(). Its start lies `shift` elements
/// behind a multiple of 16 bytes. The guards of reals are signalling NaNs: a result that reads one
/// becomes NaN, and code that computes on one in place makes it a quiet NaN, which has other bits.
template <class T, class Memory>
class Guarded {
  public:
    Guarded(std::string name, std::vector<T> values, std::size_t shift = 0)
        : name_(std::move(name)), start_(guard_elements + shift), given_(std::move(values)) {
        std::vector<T> all(start_ + given_.size() + guard_elements, guard());
        std::copy(given_.begin(), given_.end(), all.begin() + static_cast<std::ptrdiff_t>(start_));
        size_ = all.size();
        memory_ = static_cast<T*>(Memory::allocate(size_ * sizeof(T)));
        Memory::upload(memory_, all.data(), size_ * sizeof(T));
    }
    ~Guarded() {
        const std::vector<T> after = values();
        if (!written_) {
            EXPECT_TRUE(same_bits(name_ + " (an input)", after, given_));
        }
        Memory::release(memory_);
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    const T* data() const { return memory_ + start_; }
    T* output() {
        written_ = true;
        return memory_ + start_;
    }

    /// Checks the guards, and returns the array's current values.
    std::vector<T> values() const {
        std::vector<T> all(size_);
        Memory::download(all.data(), memory_, size_ * sizeof(T));
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(start_);
        const auto end = begin + static_cast<std::ptrdiff_t>(given_.size());
        expect_guards(std::vector<T>(all.begin(), begin), "before");
        expect_guards(std::vector<T>(end, all.end()), "after");
        return std::vector<T>(begin, end);
    }

  private:
    static constexpr T guard() {
        if constexpr (std::is_floating_point_v<T>)
            return std::numeric_limits<T>::signaling_NaN();
        else
            return static_cast<T>(0xa5a5a5a5u);
    }
#ifdef __SANITIZE_ADDRESS__
    static constexpr std::size_t guard_elements = 0;  // the sanitizer guards every byte
#else
    static constexpr std::size_t guard_elements = 16;
#endif

    void expect_guards(const std::vector<T>& guards, const char* side) const {
        const std::vector<T> whole(guards.size(), guard());
        EXPECT_TRUE(same_bits("the guard " + std::string(side) + " " + name_, guards, whole));
    }

    std::string name_;
    std::size_t start_, size_ = 0;
    std::vector<T> given_;
    T* memory_ = nullptr;
    bool written_ = false;
};
