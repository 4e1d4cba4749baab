// json.cpp: parser and printer by nlohmann-json, which nothing else includes.
#include "base/json.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

using nlohmann::ordered_json;

namespace {

/// Builds a Json from the parser's events.
class Builder {
  public:
    explicit Builder(int deepest) : deepest_(static_cast<std::size_t>(deepest)) {}

    bool null() { return put({}); }
    bool boolean(bool value) { return put(value); }
    bool number_integer(std::int64_t value) { return put(value); }
    bool number_unsigned(std::uint64_t value) { return put(value); }
    bool number_float(double value, const std::string&) { return put(value); }
    bool string(std::string& value) { return put(std::move(value)); }
    bool binary(std::vector<std::uint8_t>&) { return false; }  // not in text
    bool key(std::string& name) {
        if (!open_.back().names.insert(name).second)
            throw JsonError(" with each name once", "\"" + harmless(name) + "\" twice");
        open_.back().name = std::move(name);
        return true;
    }
    bool start_object(std::size_t) { return start(Json::object()); }
    bool start_array(std::size_t) { return start(Json::array()); }
    bool end_object() { return end(); }
    bool end_array() { return end(); }
    template <class Error>
    bool parse_error(std::size_t, const std::string&, const Error& error) {
        constexpr int number_overflow = 406;
        if (error.id == number_overflow) throw JsonError("", "a number too large for any type");
        const auto* at = dynamic_cast<const ordered_json::parse_error*>(&error);
        throw JsonError(
            "", "something else at its byte " + std::to_string(at == nullptr ? 0 : at->byte));
    }

    Json take() { return std::move(whole_); }

  private:
    struct Open {
        Json value;
        std::string name;  ///< of the member that comes next
        std::set<std::string> names;
    };

    void check_depth() const {
        if (open_.size() > deepest_)
            throw JsonError(" of at most " + std::to_string(deepest_) + " levels", "more");
    }
    bool put(Json value) {
        check_depth();
        if (open_.empty())
            whole_ = std::move(value);
        else if (open_.back().value.is_array())
            open_.back().value.add(std::move(value));
        else
            open_.back().value.add(std::move(open_.back().name), std::move(value));
        return true;
    }
    bool start(Json value) {
        check_depth();
        open_.push_back({std::move(value), "", {}});
        return true;
    }
    bool end() {
        Json value = std::move(open_.back().value);
        open_.pop_back();
        return put(std::move(value));
    }

    std::size_t deepest_;
    std::vector<Open> open_;
    Json whole_;
};

/// Converts a value to the library's type. The library prints numbers that are not finite as null.
ordered_json printable(const Json::Array& items);
ordered_json printable(const Json::Object& members);
ordered_json printable(std::monostate) { return nullptr; }
template <class T>
ordered_json printable(const T& value) {
    return value;
}

ordered_json as_library(const Json& value) {
    return value.visit([](const auto& alternative) { return printable(alternative); });
}
ordered_json printable(const Json::Array& items) {
    ordered_json list = ordered_json::array();
    for (const Json& item : items) list.push_back(as_library(item));
    return list;
}
ordered_json printable(const Json::Object& members) {
    ordered_json object = ordered_json::object();
    for (const auto& [name, value] : members) object[name] = as_library(value);
    return object;
}

}  // namespace

// These are here and not in the header because every file that uses a Json would compile them
// again.
Json::Json() = default;
Json::Json(const Json& other) = default;
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(const Json& other) = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;
bool Json::operator==(const Json& other) const { return dump() == other.dump(); }

void Json::add(std::string name, Json value) {
    std::get<Object>(value_).emplace_back(std::move(name), std::move(value));
}
void Json::add(Json value) { std::get<Array>(value_).push_back(std::move(value)); }

double Json::number() const {
    if (is<std::int64_t>()) return static_cast<double>(std::get<std::int64_t>(value_));
    if (is<std::uint64_t>()) return static_cast<double>(std::get<std::uint64_t>(value_));
    return std::get<double>(value_);
}

const Json* Json::find(std::string_view name) const {
    for (const auto& [key, value] : members())
        if (key == name) return &value;
    return nullptr;
}

const Json& Json::operator[](std::string_view name) const {
    static const Json none;
    const Json* const found = find(name);
    return found == nullptr ? none : *found;
}

std::string Json::dump() const {
    return as_library(*this).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Json Json::parse(std::string_view text, int deepest) {
    Builder builder(deepest);
    ordered_json::sax_parse(text, &builder);
    return builder.take();
}
