// finish.h: what becomes of a gradient while it is in registers.
//
// Either the weights are updated at once, so that no gradient is written and W is read once and
// written once a step; or the gradient is stored, packed in the order of Layout, because it must
// travel first, or because the rule has moments. Products are templates over these two, so that
// neither costs a pass of its own.
#pragma once
#include <variant>

#include "device/cpu/table.h"
#include "device/cpu/vec.h"

namespace CPU_ISA {

struct VectorRoot {
    ALWAYS_INLINE Vector operator()(Vector v) const { return root_of(v); }
};

/// The vector at p and its moments, updated by the gradient `sums`.
template <class R>
ALWAYS_INLINE Vector updated(const R& rule, const UpdateNumbers& numbers, Vector p, Vector sums,
                             Vector* moments) {
    const Vector g = R::decoupled ? sums : fma(all(numbers.reg), p, sums);
    return rule(p, g, moments, numbers, VectorRoot{});
}

/// w = rule(w, gradient + reg w)
template <class R>
struct UpdateWeights {
    const CpuLayer& layer;
    R rule;
    UpdateNumbers numbers;

    /// `sums` is the gradient of the weights of input i to the units from `unit` on.
    ALWAYS_INLINE void operator()(int i, int unit, Vector sums) const {
        nn_real* const w = layer.weights(i) + unit;
        store(w, updated(rule, numbers, load(w), sums, nullptr));
    }
    /// True if a gradient of zero changes nothing.
    bool passes_over_zero() const { return R::rests_at_zero && numbers.reg == 0; }
    ALWAYS_INLINE void prefetch(int i, int unit, int vectors) const {
        const nn_real* const w = layer.weights(i) + unit;
        for (int at = 0; at < vectors * lanes; at += 64 / static_cast<int>(sizeof(nn_real)))
            __builtin_prefetch(w + at, 1);
    }
};

/// Row i of the gradient goes to to[i outputs - skipped ..].
struct StoreGradient {
    nn_real* to;
    std::size_t skipped;
    int outputs;

    ALWAYS_INLINE void operator()(int i, int unit, Vector sums) const {
        nn_real* const row = to + (elements(outputs, i) + static_cast<std::size_t>(unit) - skipped);
        if (unit + lanes <= outputs)
            store(row, sums);
        else if (unit < outputs)
            store_some(row, sums, outputs - unit);
    }
    bool passes_over_zero() const { return false; }
    void prefetch(int, int, int) const {}
};

/// action(finish) with the finish that `use` asks for. Its rule has no moments, and is number I of
/// the list, or a later one.
template <std::size_t I = 0, class Action>
void with_finish(const CpuLayer& layer, const CpuGradientUse& use, Action&& action) {
    if (use.store != nullptr) return action(StoreGradient{use.store, use.skipped, layer.outputs});
    if constexpr (I + 1 < std::variant_size_v<Rule>)
        if (use.update.rule.index() != I) return with_finish<I + 1>(layer, use, action);
    using R = std::variant_alternative_t<I, Rule>;
    if constexpr (R::moments == 0)
        action(UpdateWeights<R>{layer, *std::get_if<I>(&use.update.rule), use.update.numbers()});
}

}  // namespace CPU_ISA
