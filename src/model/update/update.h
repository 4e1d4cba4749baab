// update.h: how parameters change, the fourth verb of a step. The list of rules is here.
//
// A rule is one file beside this one and one entry of Rule: its name, its numbers, and two
// formulas. A rule may keep `moments` arrays beside the parameters, 0 at first, which its formulas
// get and change. Both devices instantiate their loop or kernel over that list; the reference calls
// the rule's reference().
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>

#include "base/names.h"
#include "base/real.h"
#include "model/update/adam.h"
#include "model/update/momentum.h"
#include "model/update/nesterov.h"
#include "model/update/numbers.h"
#include "model/update/sgd.h"

/// What a rule may have beside its formulas.
template <class R>
concept HasMu = requires {
    &R::mu;
};
template <class R>
concept HasBetas = requires {
    &R::beta1;
};  // and corrections that follow from them
template <class R>
concept HasMomentNames = requires {
    R::moment_names;
};

using Rule = std::variant<Sgd, Momentum, Nesterov, Adam, AdamW>;

template <>
struct Names<Rule> {
    static constexpr Named<Rule> all[] = {{Sgd{}, Sgd::name},
                                          {Momentum{}, Momentum::name},
                                          {Nesterov{}, Nesterov::name},
                                          {Adam{}, Adam::name},
                                          {AdamW{}, AdamW::name}};
};
/// The number of arrays that the rule keeps.
constexpr int moments_of(const Rule& rule) {
    return std::visit([](const auto& r) { return r.moments; }, rule);
}
/// "velocity", "exp_avg": as PyTorch names them in its optimizers' states.
constexpr const char* moment_name(const Rule& rule, std::size_t moment) {
    return std::visit(
        [&](const auto& r) -> const char* {
            using R = std::decay_t<decltype(r)>;
            if constexpr (HasMomentNames<R>) return R::moment_names[moment];
            return "";
        },
        rule);
}
/// The learning rate that suits the rule, where `sgd` suits plain descent: its own, if it has one
/// (R::rate), as Adam, whose step has about the size of its rate; and a velocity of constant
/// gradients is 1 / (1 - momentum) of them.
constexpr double rate_for(const Rule& rule, double sgd, double momentum) {
    return std::visit(
        [&](const auto& r) {
            using R = std::decay_t<decltype(r)>;
            if constexpr (requires { R::rate; })
                return R::rate;
            else if constexpr (HasMu<R>)
                return (1 - momentum) * sgd;
            else
                return sgd;
        },
        rule);
}
/// True if the penalty is not in the gradient, but in the update.
constexpr bool is_decoupled(const Rule& rule) {
    return std::visit([](const auto& r) { return r.decoupled; }, rule);
}

/// The square root that a rule takes of one number.
struct Root {
    ON_HOST_AND_DEVICE nn_real operator()(nn_real x) const { return std::sqrt(x); }
};

/// A parameter with its moments, which lie `to_moment` elements behind it and behind each other.
template <class R>
struct UpdatedNumber {
    nn_real* place = nullptr;
    std::size_t to_moment = 0;
    nn_real value = 0, moments[R::moments + 1] = {};  // the last one is unused: no array is empty

    ON_HOST_AND_DEVICE void read(nn_real* p, std::size_t distance) {
        place = p;
        to_moment = distance;
        value = *p;
        for (int m = 0; m < R::moments; ++m)
            moments[m] = p[static_cast<std::size_t>(m + 1) * to_moment];
    }
    /// gradient: without the penalty, which is n.reg.
    ON_HOST_AND_DEVICE void update(const R& rule, const UpdateNumbers& n, nn_real gradient) {
        const nn_real g = R::decoupled ? gradient : gradient + n.reg * value;
        *place = rule(value, g, moments, n, Root{});
        for (int m = 0; m < R::moments; ++m)
            place[static_cast<std::size_t>(m + 1) * to_moment] = moments[m];
    }
};

/// One update of all parameters.
struct Update {
    nn_real rate;  ///< learning rate of this step
    /// L2 penalty on the weights: g = mean gradient + reg p, or what the rule makes of it if it is
    /// decoupled; biases have none.
    nn_real reg;
    Rule rule = {};
    std::int64_t step = 1;          ///< of the whole training, from 1
    nn_real first = 1, second = 1;  ///< the rule's corrections at this step (update_of)

    /// True if it does the same, whatever its step's number.
    bool is_like(const Update& other) const {
        return rate == other.rate && reg == other.reg && rule == other.rule &&
               first == other.first && second == other.second;
    }
    UpdateNumbers numbers() const { return {rate, reg, first, second}; }
    ReferenceNumbers reference_numbers() const {
        return {static_cast<double>(rate), static_cast<double>(reg), step};
    }
};

/// The update of a step by `rule`, with its corrections.
inline Update update_of(nn_real rate, nn_real reg, const Rule& rule, std::int64_t step) {
    Update update{rate, reg, rule, step};
    std::visit(
        [&](const auto& r) {
            using R = std::decay_t<decltype(r)>;
            if constexpr (HasBetas<R>) {
                update.first = static_cast<nn_real>(r.first(step));
                update.second = static_cast<nn_real>(r.second(step));
            }
        },
        rule);
    return update;
}
