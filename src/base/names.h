// names.h: an enum's values and their names, in one table for flags, messages and files.
//
// The table stands beside the enum:
//     template <> struct Names<Loss> { static constexpr Named<Loss> all[] = {{Loss::mse, "mse"}};
//     };
#pragma once
#include <optional>
#include <string>
#include <string_view>

template <class E>
struct Named {
    E value;
    const char* name;
};

template <class E>
struct Names;

template <class E>
concept HasNames = requires {
    Names<E>::all;
};

/// The value's name. Every value of E is in the table.
template <HasNames E>
constexpr const char* name_of(E value) {
    for (const Named<E>& known : Names<E>::all)
        if (known.value == value) return known.name;
    return "";
}

template <HasNames E>
constexpr std::optional<E> value_named(std::string_view name) {
    for (const Named<E>& known : Names<E>::all)
        if (name == known.name) return known.value;
    return std::nullopt;
}
