// test_cpu_same_bits.cpp: no way to compute a product, and none to divide it, changes a bit.
//
// Each element is one chain of fma(), by input forward and by sample in a gradient. So what leaves
// out zeros and what does not, and any number of workers, give the bits of the plain chain, which
// stands here as a loop.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "device/cpu/split.h"
#include "tests/support/cpu_layer.h"
#include "tests/support/masked_inputs.h"

namespace {

struct BitCase {
    InputCase in;
    int units;
    std::string text() const { return in.text() + ", " + std::to_string(units) + " units"; }
};

std::vector<BitCase> bit_cases() {
    std::vector<BitCase> cases;
    for (const auto& [units, n] :
         {std::pair{1, 70}, std::pair{7, 64}, std::pair{17, 9}, std::pair{65, 1},
          std::pair{100, 65}, std::pair{209, 70}, std::pair{417, 9}})
        cases.push_back({{67, n, n % 2 == 0, 0.5}, units});
    cases.push_back({{300, 200, true, 0.19}, 33});  // several panels of the dense forward product,
    cases.push_back({{33, 300, false, 0.5}, 100});  // and of the dense gradient
    cases.push_back({{784, 24, true, 0.19}, 40});
    return cases;
}

/// One layer, with its inputs in both forms, and what a plain chain makes of them.
class BothForms {
  public:
    BothForms(const CpuFunctions& f, const BitCase& c, Rng& rng)
        : f_(f),
          c_(c),
          in_(c.in, rng),
          masked_(f, in_),
          batch_(masked_.made()),
          below_("below", c.in.n, line_elements(c.in.inputs)),
          layer_(f, c.in.inputs, c.units, c.in.n, rng),
          first_w_(all_w()),
          scratch_(std::max(c.in.inputs, c.in.n)) {
        below_.put(in_.x, c.in.inputs);
        layer_.a.pad(c.in.n, 0, layer_.padded(), 0);
    }

    TestLayer& layer() { return layer_; }
    const BitCase& c() const { return c_; }
    Range vectors() const { return layer_.vectors(); }
    Reals all_w() { return layer_.w.get({0, c_.in.inputs}, {0, c_.units}); }
    Reals all_z() { return layer_.a.get({0, c_.in.n}, {0, c_.units}); }
    /// As before any update.
    void reset() {
        layer_.w.put(first_w_, c_.units);
        layer_.a.pad(c_.in.n, 0, layer_.padded(), 0);
    }

    /// Only threads need a scratch of their own.
    void forward(bool sparse, Range samples, Range vectors, TestScratch* own = nullptr) {
        if (sparse) return f_.sparse_forward(layer_.layer(), batch_, samples, vectors, nullptr);
        TestScratch& scratch = own == nullptr ? scratch_ : *own;
        f_.dense_forward(layer_.layer(), below_.data(), line_elements(c_.in.inputs), samples,
                         vectors, nullptr, scratch.scratch());
    }
    void gradient(bool sparse, Range inputs, Range vectors, const CpuGradientUse& use,
                  TestScratch* own = nullptr) {
        TestScratch& scratch = own == nullptr ? scratch_ : *own;
        if (sparse)
            return f_.sparse_gradient(layer_.layer(), batch_, c_.in.n, inputs, vectors, use,
                                      scratch.waiting.data());
        f_.dense_gradient(layer_.layer(), below_.data(), line_elements(c_.in.inputs), c_.in.n,
                          inputs, vectors, use, scratch.scratch());
    }

    Reals chain_forward() {
        Reals z;
        for (int j = 0; j < c_.in.n; ++j)
            for (int u = 0; u < c_.units; ++u) {
                nn_real sum = layer_.bias.at(0, u);
                for (int i = 0; i < c_.in.inputs; ++i)
                    sum = fused(in_.x[at(i, j, c_.in.inputs)], layer_.w.at(i, u), sum);
                z.push_back(sum);
            }
        return z;
    }
    /// The gradient, or the weights that it updates.
    Reals chain_gradient(const TestUse& use) {
        Reals result;
        for (int i = 0; i < c_.in.inputs; ++i)
            for (int u = 0; u < c_.units; ++u) {
                nn_real sum = 0;
                for (int j = 0; j < c_.in.n; ++j)
                    sum = fused(in_.x[at(i, j, c_.in.inputs)], layer_.delta.at(j, u), sum);
                const nn_real w = layer_.w.at(i, u);
                result.push_back(use.stored ? sum : w - use.rate * fused(use.reg, w, sum));
            }
        return result;
    }

  private:
    /// What this instruction set has for a b + c.
    nn_real fused(nn_real a, nn_real b, nn_real c) const {
        const std::string name = f_.name;
#ifdef __aarch64__
        const bool once = name != "wide";
#else
        const bool once = name == "avx2" || name == "avx512";
#endif
        return once ? std::fma(a, b, c) : a * b + c;
    }
    const CpuFunctions& f_;
    const BitCase& c_;
    TestInputs in_;
    MaskedInputs masked_;
    CpuMasked batch_;
    Rows below_;
    TestLayer layer_;
    Reals first_w_;
    TestScratch scratch_;
};

constexpr Workers alone(int threads) { return {0, threads, threads}; }
constexpr int worker_counts[] = {1, 2, 3, 5, 16, 64};

class CpuSameBits : public CpuTable {
  protected:
    /// check(forms, sparse, chain(forms)) for every case, for both products.
    template <class Chain, class Check>
    void for_both(Chain&& chain, Check&& check) {
        Rng rng(1);
        for (const BitCase& c : bit_cases()) {
            BothForms forms(f(), c, rng);
            const auto expected = chain(forms);
            for (const bool sparse : {true, false}) {
                SCOPED_TRACE(c.text() + (sparse ? ", without zeros" : ", with zeros"));
                forms.reset();
                check(forms, sparse, expected);
            }
        }
    }
    /// The gradient or the updated weights, after work(use, gradient's memory).
    template <class Work>
    Reals result_of(BothForms& forms, const TestUse& use, Work&& work) {
        forms.reset();
        OnHost<nn_real> stored("gradient",
                               poison<nn_real>(elements(forms.c().units, forms.c().in.inputs)));
        work(use.to(stored.output()));
        return use.stored ? stored.values() : forms.all_w();
    }
};

TEST_P(CpuSameBits, ForwardIsOneChainHoweverItIsDivided) {
    const auto plain = [](BothForms& forms) { return forms.chain_forward(); };
    for_both(plain, [&](BothForms& forms, bool sparse, const Reals& chain) {
        const Range all{0, forms.c().in.n};
        for (const int workers : worker_counts) {
            forms.reset();
            for (int t = 0; t < workers; ++t)
                forms.forward(sparse, samples_of(all, t, alone(workers)), forms.vectors());
            EXPECT_TRUE(
                same_bits("z by samples of " + std::to_string(workers), forms.all_z(), chain));
            forms.reset();
            for (int t = workers - 1; t >= 0; --t)
                forms.forward(sparse, all, weights_of(forms.vectors().count, t, alone(workers)));
            EXPECT_TRUE(
                same_bits("z by units of " + std::to_string(workers), forms.all_z(), chain));
        }
    });
}

/// The samples of a rank need not begin at 0, or at a multiple of four.
TEST_P(CpuSameBits, ForwardIsOneChainInTheShardsOfSeveralRanks) {
    const auto plain = [](BothForms& forms) { return forms.chain_forward(); };
    for_both(plain, [&](BothForms& forms, bool sparse, const Reals& chain) {
        for (const int ranks : {2, 3, 5}) {
            forms.reset();
            for (int r = 0; r < ranks; ++r)
                for (int t = 0; t < 2; ++t)
                    forms.forward(
                        sparse,
                        samples_of(shard_of(forms.c().in.n, r, ranks), t, {2 * r, 2, 2 * ranks}),
                        forms.vectors());
            EXPECT_TRUE(
                same_bits("z of " + std::to_string(ranks) + " ranks", forms.all_z(), chain));
        }
    });
}

TEST_P(CpuSameBits, GradientIsOneChainHoweverItIsDivided) {
    const auto plain = [](BothForms& forms) {
        std::vector<Reals> chains;
        for (const TestUse& use : every_use) chains.push_back(forms.chain_gradient(use));
        return chains;
    };
    for_both(plain, [&](BothForms& forms, bool sparse, const std::vector<Reals>& chains) {
        const Range all{0, forms.c().in.inputs};
        for (std::size_t kind = 0; kind < chains.size(); ++kind) {
            const TestUse& use = every_use[kind];
            const Reals& chain = chains[kind];
            for (const int workers : worker_counts)
                for (const int unit : {1, 8}) {
                    const Reals by_inputs = result_of(forms, use, [&](const CpuGradientUse& to) {
                        for (int t = 0; t < workers; ++t)
                            forms.gradient(sparse, weights_of(all.count, t, alone(workers), unit),
                                           forms.vectors(), to);
                    });
                    const std::string text = std::string(use.name) + ", by inputs of " +
                                             std::to_string(workers) + " in " +
                                             std::to_string(unit) + "s";
                    EXPECT_TRUE(same_bits(text, by_inputs, chain));
                }
            for (const int workers : worker_counts) {
                const Reals by_units = result_of(forms, use, [&](const CpuGradientUse& to) {
                    for (int t = workers - 1; t >= 0; --t)
                        forms.gradient(sparse, all,
                                       weights_of(forms.vectors().count, t, alone(workers)), to);
                });
                EXPECT_TRUE(
                    same_bits(std::string(use.name) + ", by units of " + std::to_string(workers),
                              by_units, chain));
            }
        }
    });
}

TEST_P(CpuSameBits, DeltaIsTheSameHoweverTheSamplesAreDivided) {
    Rng rng(2);
    for (const auto& [depth, units] :
         {std::pair{10, 100}, std::pair{300, 33}, std::pair{65, 417}}) {
        const int n = 70;
        TestLayer layer(f(), 1, units, n, rng), above(f(), units, depth, n, rng);
        layer.a.pad(n, 0, layer.padded(), static_cast<nn_real>(0.3));
        Reals first;
        for (const int workers : worker_counts) {
            layer.delta.pad(n, 0, layer.padded(), 0);
            for (int t = 0; t < workers; ++t) {
                const Range samples = samples_of({0, n}, t, alone(workers));
                TestScratch scratch(samples.count);
                f().dense_delta(layer.layer(), above.layer(), samples,
                                f().hidden_by(Sigmoid{}).times_slope, scratch.scratch());
            }
            const Reals all = layer.delta.get({0, n}, {0, units});
            if (workers == 1) first = all;
            EXPECT_TRUE(same_bits("delta of " + std::to_string(workers), all, first));
        }
    }
}

TEST_P(CpuSameBits, SeveralThreadsAtOnceGiveTheSameBits) {
    Rng rng(3);
    const BitCase c{{130, 130, true, 0.5}, 100};
    BothForms forms(f(), c, rng);
    const Reals z = forms.chain_forward();
    const TestUse& use = every_use[2];
    const Reals w = forms.chain_gradient(use);
    const auto on_threads = [](auto&& work) {
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t)
            threads.emplace_back([&work, t] {
                TestScratch own(130);
                work(t, &own);
            });
        for (std::thread& thread : threads) thread.join();
    };
    for (int time = 0; time < 10; ++time)
        for (const bool sparse : {true, false}) {
            forms.reset();
            on_threads([&](int t, TestScratch* own) {
                forms.forward(sparse, samples_of({0, 130}, t, alone(3)), forms.vectors(), own);
            });
            EXPECT_TRUE(same_bits("z", forms.all_z(), z));
            on_threads([&](int t, TestScratch* own) {
                forms.gradient(sparse, weights_of(130, t, alone(3)), forms.vectors(),
                               use.to(nullptr), own);
            });
            EXPECT_TRUE(same_bits("w by inputs", forms.all_w(), w));
            forms.reset();
            on_threads([&](int t, TestScratch* own) {
                forms.gradient(sparse, {0, 130}, weights_of(forms.vectors().count, t, alone(3)),
                               use.to(nullptr), own);
            });
            EXPECT_TRUE(same_bits("w by units", forms.all_w(), w));
        }
}

INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuSameBits, testing::ValuesIn(runnable_tables()),
                         name_of_table);

}  // namespace
