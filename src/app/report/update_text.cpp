// update_text.cpp: one phrase for each schedule, and the numbers that a rule has.
#include "app/report/update_text.h"

#include <variant>

#include "base/text.h"

std::string rate_text(const Training& t) {
    std::string text = formatted("%g", t.rate);
    switch (t.schedule) {
        case ScheduleKind::constant:
            break;
        case ScheduleKind::decay:
            text += formatted(" x %g each epoch", t.decay);
            break;
        case ScheduleKind::step:
            text += formatted(" x %g every %s", t.decay,
                              counted(static_cast<std::size_t>(t.decay_every), "epoch").c_str());
            break;
        case ScheduleKind::cosine:
            text += " down a cosine to 0";
            break;
        case ScheduleKind::onecycle:
            text += " at the top of one cycle";
            break;
    }
    if (t.warmup > 0)
        text += formatted(", with %s of warm-up",
                          counted(static_cast<std::size_t>(t.warmup), "step").c_str());
    return text;
}

std::string rule_text(const Rule& rule) {
    return std::visit(
        [](const auto& r) {
            using R = std::decay_t<decltype(r)>;
            std::string text = r.name;
            if constexpr (HasMu<R>) text += formatted(", momentum %g", static_cast<double>(r.mu));
            if constexpr (HasBetas<R>)
                text += formatted(", beta1 %g, beta2 %g, epsilon %g", static_cast<double>(r.beta1),
                                  static_cast<double>(r.beta2), static_cast<double>(r.epsilon));
            return text;
        },
        rule);
}
