// vec.h: vectors of one instruction set, and exp of them.
//
// A vector is the compiler's own type, so that + - * / and comparisons need no code here. Only the
// fused multiply-add is named: every product of this folder is a chain of fma() in a fixed order,
// and no compiler flag may change that. Only table.cpp includes this file; it is compiled once for
// each instruction set, whose name, CPU_ISA, is the namespace. So the linker cannot keep one set's
// copy of a function for another set. CPU_VECTOR_BYTES=64 makes wide vectors of plain C++ (tests).
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/real.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define ALWAYS_INLINE [[gnu::always_inline]] inline

namespace CPU_ISA {

#if defined(CPU_VECTOR_BYTES)
inline constexpr int vector_bytes = CPU_VECTOR_BYTES;
#elif defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;
#endif

inline constexpr int lanes = vector_bytes / static_cast<int>(sizeof(nn_real));
inline constexpr bool is_double = sizeof(nn_real) == 8;

using Vector [[gnu::vector_size(vector_bytes)]] = nn_real;
using AnywhereVector
    [[gnu::vector_size(vector_bytes), gnu::aligned(sizeof(nn_real)), gnu::may_alias]] = nn_real;

ALWAYS_INLINE Vector load(const nn_real* p) { return *reinterpret_cast<const AnywhereVector*>(p); }
ALWAYS_INLINE void store(nn_real* p, Vector v) { *reinterpret_cast<AnywhereVector*>(p) = v; }
ALWAYS_INLINE Vector all(nn_real value) { return value - Vector{}; }
/// Loads the first `count` elements of a vector, and zeros.
inline Vector load_some(const nn_real* p, int count) {
    Vector v{};
    std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(nn_real));
    return v;
}
inline void store_some(nn_real* p, Vector v, int count) {
    std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(nn_real));
}

#if defined(CPU_VECTOR_BYTES) || !(defined(__FMA__) || defined(__aarch64__))
/// a b + c, rounded twice: the set has no instruction that rounds once.
ALWAYS_INLINE Vector fma(Vector a, Vector b, Vector c) { return a * b + c; }
#else
// The set's instruction for float and for double; the type of the vectors chooses.
#if defined(__AVX512F__)
ALWAYS_INLINE __m512 fused(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
ALWAYS_INLINE __m512d fused(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__AVX2__)
ALWAYS_INLINE __m256 fused(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
ALWAYS_INLINE __m256d fused(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
#else
ALWAYS_INLINE float32x4_t fused(float32x4_t a, float32x4_t b, float32x4_t c) {
    return vfmaq_f32(c, a, b);
}
ALWAYS_INLINE float64x2_t fused(float64x2_t a, float64x2_t b, float64x2_t c) {
    return vfmaq_f64(c, a, b);
}
#endif
/// a b + c, rounded once.
ALWAYS_INLINE Vector fma(Vector a, Vector b, Vector c) { return fused(a, b, c); }
#endif

#if defined(CPU_VECTOR_BYTES) || !(defined(__x86_64__) || defined(__aarch64__))
ALWAYS_INLINE Vector root_of(Vector v) {
    for (int i = 0; i < lanes; ++i) v[i] = static_cast<nn_real>(__builtin_sqrt(v[i]));
    return v;
}
#else
#if defined(__AVX512F__)
ALWAYS_INLINE __m512 rooted(__m512 v) { return _mm512_sqrt_ps(v); }
ALWAYS_INLINE __m512d rooted(__m512d v) { return _mm512_sqrt_pd(v); }
#elif defined(__AVX2__) && defined(__FMA__)
ALWAYS_INLINE __m256 rooted(__m256 v) { return _mm256_sqrt_ps(v); }
ALWAYS_INLINE __m256d rooted(__m256d v) { return _mm256_sqrt_pd(v); }
#elif defined(__x86_64__)
ALWAYS_INLINE __m128 rooted(__m128 v) { return _mm_sqrt_ps(v); }
ALWAYS_INLINE __m128d rooted(__m128d v) { return _mm_sqrt_pd(v); }
#else
ALWAYS_INLINE float32x4_t rooted(float32x4_t v) { return vsqrtq_f32(v); }
ALWAYS_INLINE float64x2_t rooted(float64x2_t v) { return vsqrtq_f64(v); }
#endif
/// The square roots, each rounded once.
ALWAYS_INLINE Vector root_of(Vector v) { return rooted(v); }
#endif

/// f(0), f(1), ... f(n - 1), each with its number known to the compiler.
template <int n, class F>
ALWAYS_INLINE void unroll(F&& f) {
    [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
        (f(std::integral_constant<int, i>{}), ...);
    }
    (std::make_integer_sequence<int, n>{});
}

constexpr nn_real inverse_factorial(int n) {
    double product = 1;
    for (int k = 2; k <= n; ++k) product *= k;
    return static_cast<nn_real>(1 / product);
}

/// Below this, exp is no normal number, and 0 is taken instead: with denormal numbers, processors
/// take a hundred times as long.
inline constexpr auto lowest_exponent =
    static_cast<nn_real>(is_double ? -708.396418532264 : -87.33654);

/// exp(x), within 2 units in the last place; a large number if exp(x) is too large. NaN stays NaN.
///
/// With n = round(x / ln 2) and r = x - n ln 2, exp(x) = 2^n exp(r), |r| < 0.35. Adding `magic`
/// leaves n in the low bits of the sum. ln 2 is subtracted in two parts; the first is so short that
/// n times it is exact. exp(r) is its Taylor series, whose first omitted term is below u.
inline Vector exp_of(const Vector exponent) {
    constexpr auto highest = static_cast<nn_real>(is_double ? 709.4 : 88.3);
    constexpr auto magic = static_cast<nn_real>(is_double ? 0x1.8p52 : 0x1.8p23);
    constexpr auto ln2_first = static_cast<nn_real>(is_double ? 0x1.62e42p-1 : 0x1.63p-1);
    constexpr auto ln2_rest =
        static_cast<nn_real>(is_double ? 0x1.fdf473de6af28p-22 : -0x1.bd0106p-13);
    constexpr int terms = is_double ? 13 : 7;
    constexpr int mantissa = is_double ? 52 : 23, bias = is_double ? 1023 : 127;

    Vector x = exponent < lowest_exponent ? all(lowest_exponent) : exponent;
    x = x > highest ? all(highest) : x;
    const Vector n = fma(x, all(static_cast<nn_real>(1.4426950408889634)), all(magic)) - magic;
    const Vector r = fma(n, all(-ln2_rest), fma(n, all(-ln2_first), x));
    Vector series = all(inverse_factorial(terms));
    unroll<terms>([&](auto k) { series = fma(series, r, all(inverse_factorial(terms - 1 - k))); });
    using Bits = decltype(x < all(0));
    const Bits power =
        (reinterpret_cast<Bits>(n + magic) - reinterpret_cast<Bits>(all(magic)) + bias) << mantissa;
    return exponent < lowest_exponent ? Vector{} : series * reinterpret_cast<Vector>(power);
}

}  // namespace CPU_ISA
