// csv_rows.cpp: feeds libcsv one line at a time and collects the fields of a row.
#include "input/csv_rows.h"

#include <csv.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>
#include <vector>

#include "base/error.h"

namespace {

constexpr std::string_view separators = "\t;|,";

void refuse_what_is_no_text(std::string_view text, const std::string& name) {
    using namespace std::string_view_literals;
    constexpr const char* again = "save the table as CSV in UTF-8";
    const struct {
        std::string_view start;
        const char *found, *advice;
    } kinds[] = {{"\xff\xfe"sv, "UTF-16", again},
                 {"\xfe\xff"sv, "UTF-16", again},
                 {"\x1f\x8b"sv, "gzip data", "unpack it with gunzip"},
                 {"PK\3\4"sv, "a zip archive or a spreadsheet's own file", again},
                 {"<"sv, "a web page", "get the table itself"}};
    for (const auto& kind : kinds)
        if (text.starts_with(kind.start)) refuse(name, "a table as text", kind.found, kind.advice);
    if (text.substr(0, 2).find('\0') != std::string_view::npos)
        refuse(name, "a table as text", "a zero byte, as UTF-16 has", again);
}

std::string_view without_mark(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // some spreadsheets write this
    return text;
}

/// Cuts the first line from `text`, with its end.
std::string_view cut_line(std::string_view& text) {
    std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::size_t cr = std::min(text.substr(0, end).find('\r'), end);
    if (cr + 1 < end && text[cr + 1] != '\n') end = cr + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    return line;
}

/// True if a row does not begin in this line.
bool is_between_rows(std::string_view line) {
    return line.starts_with('#') || line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// The library's parser, and what it has found of the current row.
class Rows {
  public:
    Rows(const std::string& name, char separator) : name_(name) {
        if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
        csv_set_delim(&parser_, static_cast<unsigned char>(separator));
        csv_set_blk_size(&parser_, 1 << 16);
    }
    ~Rows() { csv_free(&parser_); }
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;

    /// Returns true if the line, with its end, completes a row.
    bool feed(std::string_view line) {
        if (csv_parse(&parser_, line.data(), line.size(), &Rows::on_field, &Rows::on_row, this) !=
            line.size())
            refuse_quotes();
        return completed();
    }
    /// Returns true if the end of the text completes a row.
    bool end() {
        if (csv_fini(&parser_, &Rows::on_field, &Rows::on_row, this) != 0) refuse_quotes();
        return completed();
    }

    /// The row's fields; what is fed next begins another row.
    std::span<const std::string_view> fields() {
        fields_.resize(ends_.size());
        for (std::size_t i = 0, from = 0; i < ends_.size(); from = ends_[i++])
            fields_[i] = std::string_view(text_).substr(from, ends_[i] - from);
        return fields_;
    }
    void begin_row(std::size_t line) {
        line_ = line;
        text_.clear();
        ends_.clear();
    }
    std::size_t line() const { return line_; }

  private:
    // The library calls these two; no exception may pass through it.
    static void on_field(void* field, std::size_t length, void* rows) noexcept {
        auto& self = *static_cast<Rows*>(rows);
        try {
            self.text_.append(static_cast<const char*>(field), length);
            self.ends_.push_back(self.text_.size());
        } catch (const std::bad_alloc&) {
            self.no_memory_ = true;
        }
    }
    static void on_row(int, void* rows) noexcept { static_cast<Rows*>(rows)->complete_ = true; }

    bool completed() {
        if (no_memory_) throw std::bad_alloc();
        return std::exchange(complete_, false);
    }
    [[noreturn]] void refuse_quotes() {
        if (csv_error(&parser_) == CSV_ENOMEM) throw std::bad_alloc();
        refuse(name_ + " line " + std::to_string(line_),
               "quotes around a whole field, and closed again", "one elsewhere",
               "write a quote in a field twice, as \"5\"\" wide\"");
    }

    const std::string& name_;
    csv_parser parser_{};
    std::string text_;  ///< of all fields, one behind the other
    std::vector<std::size_t> ends_;
    std::vector<std::string_view> fields_;
    std::size_t line_ = 0;
    bool complete_ = false, no_memory_ = false;
};

/// How often the next row of `text` has each separator outside quotes. The row is cut off.
std::array<std::size_t, separators.size()> count_separators(std::string_view& text) {
    while (!text.empty()) {
        std::string_view rest = text;
        if (!is_between_rows(cut_line(rest))) break;
        text = rest;
    }
    std::array<std::size_t, separators.size()> counts{};
    bool quoted = false;
    std::size_t at = 0;
    for (; at < text.size() && (quoted || (text[at] != '\n' && text[at] != '\r')); ++at) {
        quoted ^= text[at] == '"';
        const std::size_t which = separators.find(text[at]);
        if (!quoted && which != std::string_view::npos) ++counts[which];
    }
    text.remove_prefix(std::min(at + 1, text.size()));
    return counts;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

char separator_of(std::string_view text) {
    text = without_mark(text);
    const auto first = count_separators(text), second = count_separators(text);
    for (std::size_t i = 0; i < separators.size(); ++i)
        if (first[i] > 0 && first[i] == second[i]) return separators[i];
    const auto most = std::ranges::max_element(first);
    return *most > 0 ? separators[static_cast<std::size_t>(most - first.begin())] : ',';
}

void for_each_row(std::string_view text, const std::string& name,
                  const std::function<void(const CsvRow&)>& take) {
    refuse_what_is_no_text(text, name);
    text = without_mark(text);
    Rows rows(name, separator_of(text));
    bool between = true;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::string_view line = cut_line(text);
        if (between && is_between_rows(line)) continue;
        if (between) rows.begin_row(number);
        between = rows.feed(line);
        if (between) take({rows.line(), rows.fields()});
    }
    if (rows.end()) take({rows.line(), rows.fields()});
}

std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos && trimmed(text) == text) return text;
    std::string quoted(csv_write(nullptr, 0, text.data(), text.size()), '\0');
    csv_write(quoted.data(), quoted.size(), text.data(), text.size());
    return quoted;
}
