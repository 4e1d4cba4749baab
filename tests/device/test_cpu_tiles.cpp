// test_cpu_tiles.cpp: the products in bf16 tiles are as right as float's, and touch nothing else.
//
// What lies beyond k and n in X is always the pixel 255, what lies beyond m in A and C is NaN.
// Every test is skipped where there are no bf16 tiles.
#include "device/cpu/tiles.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <thread>
#include <vector>

#include "device/cpu/product.h"
#include "tests/support/gemm_math.h"
#include "tests/support/host_memory.h"

namespace {

constexpr nn_real unit_pixels = nn_real{1} / 255;

/// `count` elements that begin on 64 bytes, with as many bytes behind that must stay as they are.
template <class T>
class OnLine {
  public:
    OnLine(std::size_t count, T value)
        : count_(count), memory_(static_cast<T*>(std::aligned_alloc(64, bytes()))) {
        if (!memory_) throw std::bad_alloc();
        std::fill_n(memory_.get(), count, value);
        std::memset(guard(), 0xa5, 64);
    }
    ~OnLine() {
        for (int i = 0; i < 64; ++i)
            EXPECT_EQ(guard()[i], 0xa5) << "byte " << i << " behind " << count_ << " elements";
    }
    OnLine(const OnLine&) = delete;
    OnLine& operator=(const OnLine&) = delete;
    T* data() { return memory_.get(); }

  private:
    std::size_t bytes() const { return (count_ * sizeof(T) + 63) / 64 * 64 + 64; }
    std::uint8_t* guard() { return reinterpret_cast<std::uint8_t*>(memory_.get()) + bytes() - 64; }
    struct Free {
        void operator()(T* memory) const { std::free(memory); }
    };
    std::size_t count_;
    std::unique_ptr<T, Free> memory_;
};

/// C (m x n) = scale A X.
struct Product {
    int m, n, k;
    nn_real scale;
    Reals a;
    Bytes x;  ///< k x n

    std::string text() const {
        return "C (" + std::to_string(m) + " x " + std::to_string(n) +
               "), k = " + std::to_string(k) + ", scale " + std::to_string(scale);
    }
};
Product random_product(int m, int n, int k, Rng& rng, nn_real scale = unit_pixels) {
    return {m, n, k, scale, normal_values(elements(m, k), rng), random_bytes(elements(k, n), rng)};
}

Reals with_rows_of_nan(const Reals& x, int rows, int cols, int more) {
    Reals y = poison<nn_real>(elements(rows + more, cols));
    for (int j = 0; j < cols; ++j)
        for (int i = 0; i < rows; ++i) y[at(i, j, rows + more)] = x[at(i, j, rows)];
    return y;
}

/// C by tiles; A and C have `more` rows than m, of NaN.
Reals by_tiles(const Product& p, int more = 0) {
    const std::size_t ldx = static_cast<std::size_t>(whole_tiles(p.k)) + bf16_tile;
    OnLine<Bf16> x(ldx * static_cast<std::size_t>(whole_tiles(p.n)), Bf16{0x437f});  // 255
    for (int j = 0; j < p.n; ++j)
        pixels_to_bf16(elements(p.k, 1), p.x.data() + elements(p.k, j),
                       x.data() + static_cast<std::size_t>(j) * ldx);
    OnLine<nn_real> sums(bf16x3_sums(p.n), nan_real);
    OnLine<std::uint32_t> parts(bf16x3_parts, 0xffffffffu);
    const OnHost<nn_real> a("A", with_rows_of_nan(p.a, p.m, p.k, more));
    OnHost<nn_real> c("C", poison<nn_real>(elements(p.m + more, p.n)));
    gemm_bf16x3(p.m, p.n, p.k, p.scale, a.data(), p.m + more, x.data(), ldx, c.output(), p.m + more,
                {sums.data(), parts.data()});
    const Reals after = c.values();
    Reals result(elements(p.m, p.n));
    for (int j = 0; j < p.n; ++j)
        for (int i = 0; i < p.m; ++i) result[at(i, j, p.m)] = after[at(i, j, p.m + more)];
    EXPECT_TRUE(
        same_bits("C with its leading dimension", after, with_rows_of_nan(result, p.m, p.n, more)));
    return result;
}

/// As any product in float is judged, although the tiles round three times for each element of k.
testing::AssertionResult judged(const Product& p, const Reals& c) {
    const Reals x(p.x.begin(), p.x.end()), rows = transpose(p.a, p.m, p.k);
    const GemmVerdict verdict = judge_gemm(true, false, p.m, p.n, p.k, p.scale, rows.data(),
                                           x.data(), 0, nullptr, c.data());
    if (verdict.right()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << verdict.text() << " in " << p.text();
}

class Bf16x3 : public testing::Test {
  protected:
    void SetUp() override {
        if (!bf16x3_available()) GTEST_SKIP() << "no bf16 tiles (AMX) here, or a build in double";
    }
};

// ---- The product -------------------------------------------------------------------------------

TEST_F(Bf16x3, IsRightAroundEveryEdge) {
    Rng rng(1);
    constexpr int around_tiles[] = {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100};
    for (const int s : around_tiles)
        for (const auto& [m, n, k] :
             {std::array{s, 19, 35}, std::array{35, s, 19}, std::array{19, 35, s},
              std::array{s, s, s}, std::array{s, 100, 33}, std::array{49, s, 64}})
            for (const int more : {0, 3}) {
                const Product p = random_product(m, n, k, rng);
                SCOPED_TRACE(p.text() + ", leading dimensions " + std::to_string(m + more));
                EXPECT_TRUE(judged(p, by_tiles(p, more)));
            }
}

TEST_F(Bf16x3, IsRightAtTheSizesOfTraining) {
    Rng rng(2);
    for (const auto& [m, n, k] :
         {std::array{100, 800, 784}, std::array{200, 24, 784}, std::array{200, 784, 24},
          std::array{100, 784, 800}, std::array{784, 100, 800}}) {
        const Product p = random_product(m, n, k, rng);
        EXPECT_TRUE(judged(p, by_tiles(p)));
    }
}

/// bf16x3_depth tiles of k are one slice: here one element less, one slice, one more, and several.
TEST_F(Bf16x3, AddsUpSeveralSlicesOfK) {
    Rng rng(3);
    constexpr int slice = bf16x3_depth * bf16_tile;
    for (const int k : {slice - 1, slice, slice + 1, 2 * slice, 3 * slice + 17})
        for (const auto& [m, n] :
             {std::pair{5, 3}, std::pair{16, 40}, std::pair{33, 16}, std::pair{40, 71}}) {
            const Product p = random_product(m, n, k, rng);
            EXPECT_TRUE(judged(p, by_tiles(p, 1)));
        }
}

TEST_F(Bf16x3, OfNothingIsZeroOrNothing) {
    Rng rng(4);
    for (const auto& [m, n, k] : {std::array{33, 40, 0}, std::array{1, 1, 0}, std::array{0, 5, 3},
                                  std::array{5, 0, 3}, std::array{0, 0, 0}}) {
        const Product p = random_product(m, n, k, rng);
        SCOPED_TRACE(p.text());
        EXPECT_TRUE(same_bits("C", by_tiles(p, 2), Reals(elements(m, n))));
    }
}

TEST_F(Bf16x3, IsExactOnWholeNumbers) {
    Rng rng(5);
    for (const auto& [m, n, k] :
         {std::array{37, 41, 53}, std::array{16, 16, 1500}, std::array{50, 70, 100}}) {
        Product p = random_product(m, n, k, rng, 2);
        p.a = small_integers(p.a.size(), rng, 20);  // sums below 20 255 1500 < 2^24
        Expected expected{m, {}, {}};
        for (int j = 0; j < n; ++j)
            for (int i = 0; i < m; ++i) {
                Wide sum = 0;
                for (int q = 0; q < k; ++q)
                    sum += static_cast<Wide>(p.a[at(i, q, m)]) * p.x[at(q, j, k)];
                expected.add(2 * sum, 0);
            }
        SCOPED_TRACE(p.text());
        EXPECT_TRUE(within("C", by_tiles(p), expected));
    }
}

/// The three parts of a float are all of it: A times a pixel of 1 is A.
TEST_F(Bf16x3, KeepsEveryBitOfA) {
    Rng rng(6);
    for (const int rows : {16, 32, 50})
        for (const int columns : {1, 16, 17, 32}) {
            Product p{rows,
                      columns,
                      1,
                      1,
                      normal_values(elements(rows, 1), rng),
                      Bytes(elements(1, columns), 1)};
            for (auto& v : p.a) v = std::ldexp(v, static_cast<int>(rng.below(161)) - 80);
            p.a[0] = static_cast<nn_real>(0xffffff);
            p.a[1] = -std::nextafter(nn_real{1}, nn_real{0});
            Reals expected;
            for (int j = 0; j < columns; ++j)
                expected.insert(expected.end(), p.a.begin(), p.a.end());
            SCOPED_TRACE(p.text());
            EXPECT_TRUE(same_bits("C", by_tiles(p), expected));
        }
}

TEST_F(Bf16x3, KeepsNaNAndInfinityInTheirRow) {
    Rng rng(7);
    const std::array<nn_real, 4> not_finite{nan_real, std::numeric_limits<nn_real>::signaling_NaN(),
                                            std::numeric_limits<nn_real>::infinity(),
                                            -std::numeric_limits<nn_real>::infinity()};
    for (const nn_real bad : not_finite)
        for (const auto& [m, n, k] :
             {std::array{35, 36, 21}, std::array{16, 20, 64}, std::array{50, 7, 1100}})
            for (const auto& [row, q] :
                 {std::pair{0, 0}, std::pair{m - 1, k - 1}, std::pair{m / 2, k / 2}}) {
                Product p = random_product(m, n, k, rng);
                p.a[at(row, q, m)] = bad;
                std::fill_n(p.x.begin(), k, std::uint8_t{0});  // NaN times 0 is NaN
                SCOPED_TRACE(p.text() + ", " + std::to_string(bad) + " in A(" +
                             std::to_string(row) + "," + std::to_string(q) + ")");
                const Reals c = by_tiles(p);
                for (int j = 0; j < n; ++j)
                    for (int i = 0; i < m; ++i)
                        EXPECT_EQ(std::isfinite(c[at(i, j, m)]), i != row)
                            << "C(" << i << "," << j << ") = " << c[at(i, j, m)];
            }
}

TEST_F(Bf16x3, GivesTheSameBitsTwiceAndOnSeveralThreadsAtOnce) {
    Rng rng(8);
    const Product p = random_product(70, 75, 1100, rng);
    const Reals first = by_tiles(p);
    EXPECT_TRUE(same_bits("C", by_tiles(p, 5), first));
    std::vector<Reals> results(3);
    std::vector<std::thread> threads;
    for (Reals& result : results) threads.emplace_back([&] { result = by_tiles(p); });
    for (std::thread& thread : threads) thread.join();
    for (const Reals& result : results) EXPECT_TRUE(same_bits("C", result, first));
}

// ---- Beside float's product --------------------------------------------------------------------

struct Errors {
    double rms = 0, largest = 0;
};
Errors errors(const Reals& c, const std::vector<double>& exact) {
    Errors e;
    for (std::size_t i = 0; i < c.size(); ++i) {
        const double error = std::abs(static_cast<double>(c[i]) - exact[i]);
        e.rms += error * error / static_cast<double>(c.size());
        e.largest = std::max(e.largest, error);
    }
    e.rms = std::sqrt(e.rms);
    return e;
}

std::vector<double> in_double(const Product& p) {
    std::vector<double> c(elements(p.m, p.n));
    for (int j = 0; j < p.n; ++j)
        for (int q = 0; q < p.k; ++q) {
            const double x = static_cast<double>(p.scale) * p.x[at(q, j, p.k)];
            for (int i = 0; i < p.m; ++i)
                c[at(i, j, p.m)] += static_cast<double>(p.a[at(i, q, p.m)]) * x;
        }
    return c;
}

/// Float's product has to round its inputs, scale times pixel, and adds up the elements of k once;
/// the tiles take the exact pixels and add up three parts of each element. Neither may be far
/// behind.
TEST_F(Bf16x3, ErrsNoMoreThanTwiceAsMuchAsFloatsProduct) {
    Rng rng(9);
    for (const auto& [m, n, k] :
         {std::array{40, 50, 10}, std::array{200, 24, 784}, std::array{200, 784, 24},
          std::array{100, 784, 800}, std::array{100, 100, 3000}}) {
        const Product p = random_product(m, n, k, rng);
        Reals x, c(elements(m, n));
        for (const std::uint8_t pixel : p.x) x.push_back(p.scale * static_cast<nn_real>(pixel));
        cpu_product(m, n, k, 1, p.a.data(), x.data(), 0, c.data());
        const std::vector<double> exact = in_double(p);
        const Errors floats = errors(c, exact), tiles = errors(by_tiles(p), exact);
        std::printf("# %3d x %3d, k = %4d: RMS error bf16x3 %.2e, float %.2e; largest %.2e, %.2e\n",
                    m, n, k, tiles.rms, floats.rms, tiles.largest, floats.largest);
        EXPECT_TRUE(tiles.rms <= 2 * floats.rms) << p.text();
        EXPECT_TRUE(tiles.largest <= 2 * floats.largest) << p.text();
    }
}

// ---- Pixels ------------------------------------------------------------------------------------

TEST_F(Bf16x3, TakesEveryPixelExactlyInAnyCount) {
    for (const std::size_t count : {0, 1, 2, 15, 16, 17, 31, 33, 255, 256, 785}) {
        SCOPED_TRACE(std::to_string(count) + " pixels");
        Bytes pixels(count);
        std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
        std::vector<Bf16> expected;
        for (const std::uint8_t pixel : pixels) {
            const float value = pixel;
            std::uint32_t bits;
            std::memcpy(&bits, &value, sizeof bits);
            EXPECT_EQ(bits & 0xffffu, 0u) << "pixel " << +pixel << " is not exact in bf16";
            expected.push_back(static_cast<Bf16>(bits >> 16));
        }
        const OnHost<std::uint8_t> in("pixels", pixels);
        OnHost<Bf16> x("x", poison<Bf16>(count));
        pixels_to_bf16(count, in.data(), x.output());
        EXPECT_TRUE(same_bits("x", x.values(), expected));
    }
}

TEST_F(Bf16x3, TransposesWholeTilesAndWritesNothingElse) {
    for (const auto& [rows, columns] : {std::pair{32, 32}, std::pair{64, 32}, std::pair{32, 96},
                                        std::pair{800, 64}, std::pair{0, 32}, std::pair{32, 0}})
        for (const int more : {0, 32}) {
            SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns) + ", " +
                         std::to_string(more) + " between");
            const int ldx = rows + more, ldy = columns + more;
            std::vector<Bf16> values(elements(ldx, columns)),
                expected = poison<Bf16>(elements(ldy, rows));
            std::iota(values.begin(), values.end(), Bf16{1});
            for (int j = 0; j < columns; ++j)
                for (int i = 0; i < rows; ++i) expected[at(j, i, ldy)] = values[at(i, j, ldx)];
            const OnHost<Bf16> x("x", values);
            OnHost<Bf16> y("y", poison<Bf16>(expected.size()));
            transpose_bf16(rows, columns, x.data(), static_cast<std::size_t>(ldx), y.output(),
                           static_cast<std::size_t>(ldy));
            EXPECT_TRUE(same_bits("y", y.values(), expected));
        }
}

}  // namespace
