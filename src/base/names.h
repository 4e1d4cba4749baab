// names.h: an enum's values and their names, in one table for flags, messages and files.
//
// The table stands beside the enum:
//     template <> struct Names<Loss> { static constexpr Named<Loss> all[] = {{Loss::mse, "mse"}};
//     };
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>

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

/// True if `value` is the named one. Of a list of types, the type has the name.
template <class E>
constexpr bool is_named(const E& named, const E& value) {
    return named == value;
}
template <class... T>
constexpr bool is_named(const std::variant<T...>& named, const std::variant<T...>& value) {
    return named.index() == value.index();
}

/// The value's name. Every value of E is in the table.
template <HasNames E>
constexpr const char* name_of(E value) {
    for (const Named<E>& known : Names<E>::all)
        if (is_named(known.value, value)) return known.name;
    return "";
}

template <HasNames E>
constexpr std::optional<E> value_named(std::string_view name) {
    for (const Named<E>& known : Names<E>::all)
        if (name == known.name) return known.value;
    return std::nullopt;
}
