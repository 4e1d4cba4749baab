// json.h: a JSON value, its parser and its printer.
//
// The library behind them is slow to compile, so only one source file includes it: json.cpp.
#pragma once
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// What is wrong with a text: "expected JSON<expected>, found <found>".
struct JsonError : std::runtime_error {
    std::string expected;  ///< " with each name once"; empty: that it is JSON at all
    std::string found;     ///< "\"size\" twice"

    JsonError(std::string e, std::string f)
        : std::runtime_error("expected JSON" + e + ", found " + f),
          expected(std::move(e)),
          found(std::move(f)) {}
};

class Json {
  public:
    using Array = std::vector<Json>;
    using Object = std::vector<std::pair<std::string, Json>>;  ///< in order, each name once

    Json();  ///< null
    Json(const Json& other);
    Json(Json&& other) noexcept;
    Json& operator=(const Json& other);
    Json& operator=(Json&& other) noexcept;
    ~Json();
    Json(bool value) : value_(value) {}
    /// 1 and 1u are equal: whole numbers of at least 0 are compared by value.
    Json(std::integral auto value) {
        if (value < 0)
            value_ = static_cast<std::int64_t>(value);
        else
            value_ = static_cast<std::uint64_t>(value);
    }
    Json(std::floating_point auto value) : value_(double{value}) {}
    Json(const char* text) : value_(std::string(text)) {}
    Json(std::string text) : value_(std::move(text)) {}
    Json(Array items) : value_(std::move(items)) {}
    Json(Object members) : value_(std::move(members)) {}
    template <class T>
    requires(!std::same_as<T, Json> && std::convertible_to<T, Json>)
        Json(const std::vector<T>& items)
        : value_(Array(items.begin(), items.end())) {}

    static Json array(std::initializer_list<Json> items = {}) { return Array(items); }
    static Json object(std::initializer_list<Object::value_type> members = {}) {
        return Object(members);
    }

    bool is_null() const { return is<std::monostate>(); }
    bool is_text() const { return is<std::string>(); }
    bool is_array() const { return is<Array>(); }
    bool is_object() const { return is<Object>(); }
    /// A whole number of at least 0, written as one.
    bool is_whole() const { return is<std::uint64_t>(); }
    bool is_number() const { return is_whole() || is<std::int64_t>() || is<double>(); }

    /// The value as this type, which the caller must know. For another type they throw
    /// std::bad_variant_access.
    bool truth() const { return std::get<bool>(value_); }
    const std::string& text() const { return std::get<std::string>(value_); }
    const Array& items() const { return std::get<Array>(value_); }
    const Object& members() const { return std::get<Object>(value_); }
    std::uint64_t whole() const { return std::get<std::uint64_t>(value_); }
    double number() const;  ///< of any number

    /// The object's member `name`; a null pointer if there is none.
    const Json* find(std::string_view name) const;
    /// The object's member `name`; the JSON value null if there is none.
    const Json& operator[](std::string_view name) const;
    void add(std::string name, Json value);  ///< behind an object's members; the name is new
    void add(Json value);                    ///< behind an array's items

    /// Calls `use` with the value as it is held: std::monostate for null, bool, std::int64_t (below
    /// 0), std::uint64_t, double, std::string, Array or Object.
    template <class Use>
    auto visit(const Use& use) const {
        return std::visit(use, value_);
    }

    /// The value as text, in one line. Bytes that are not UTF-8 are replaced, and numbers that are
    /// not finite become null. A finite number that is read again has the same bits.
    std::string dump() const;

    /// Throws JsonError if the text is not JSON, if a value is inside more than `deepest` others,
    /// if an object has a name twice (readers differ in which one they keep), or if a number is too
    /// large for every type.
    static Json parse(std::string_view text, int deepest = 64);

    bool operator==(const Json& other) const;

  private:
    template <class T>
    bool is() const {
        return std::holds_alternative<T>(value_);
    }

    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
                 Object>
        value_;
};
