// digit_page.cpp: puts the network, as JSON with its parameters in base64, into the page's sources.
#include "app/report/digit_page.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "app/commands/touching.h"
#include "app/report/digit/files.h"
#include "app/report/markup.h"
#include "base/error.h"
#include "base/half.h"
#include "base/json.h"
#include "base/text.h"

namespace {

enum class Width { single, half };

std::size_t bytes_each(Width width) { return width == Width::single ? 4 : 2; }

/// The characters that base64 makes of so many bytes.
std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }

/// Little-endian, whatever this machine is.
template <class Code>
void append(std::vector<std::uint8_t>& bytes, Code code) {
    for (std::size_t b = 0; b < sizeof code; ++b)
        bytes.push_back(static_cast<std::uint8_t>(code >> (8 * b)));
}

/// Throws InputError for a parameter that would be rounded to infinity.
void check_held(double value, Width width, const std::string& name) {
    const bool is_single = width == Width::single;
    // Half of the last digit above the largest number, rounding gives infinity.
    const double first_infinite = is_single ? 0x1.ffffffp127 : 65520;
    if (std::abs(value) < first_infinite) return;
    refuse(name,
           is_single ? "parameters that single precision holds, at most 3.4e38"
                     : "parameters below 65520, which half precision holds",
           formatted("%g", value),
           std::string("its weights are too large: train it again with a smaller learning rate "
                       "(-l) or with regularization (-r)") +
               (is_single ? ""
                          : "; a network that fits in 1.5 MB in single precision may have "
                            "larger ones"));
}

std::string parameters_text(const Parameters<nn_real>& parameters, Width width,
                            const std::string& name) {
    std::vector<std::uint8_t> bytes;
    for (const nn_real value : parameters.values) {
        check_held(static_cast<double>(value), width, name);
        if (width == Width::single)
            append(bytes, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
        else
            append(bytes, half_of(static_cast<double>(value)));
    }
    return base64(bytes);
}

/// A text in a script's element: no "</script>" may end it.
std::string in_script(const std::string& json) {
    std::string safe;
    for (const char c : json) safe += c == '<' ? std::string("\\u003c") : std::string(1, c);
    return safe;
}

/// How crowded one digit may be, class by class; none for a network of other classes.
Json crowding_json(const Layout& layout, const ModelFacts& facts) {
    std::vector<Json> all;
    if (reads_digits(facts.class_names, static_cast<std::size_t>(layout.classes())))
        all.assign(most_crowding.begin(), most_crowding.end());
    return Json(all);
}

std::string network_json(const Layout& layout, const ModelFacts& facts, Width width,
                         const std::string& parameters) {
    return in_script(Json::object({{"sizes", layout.sizes()},
                                   {"activation", name_of(facts.activation)},
                                   {"output", name_of(facts.objective.output)},
                                   {"rows", facts.rows},
                                   {"cols", facts.cols},
                                   {"pixel_scale", facts.pixel_scale},
                                   {"class_names", facts.class_names},
                                   {"most_crowding", crowding_json(layout, facts)},
                                   {"crowding_of_a_nine", crowding_of_a_nine},
                                   {"doubtful_crowding", doubtful_crowding},
                                   {"widest_digit", widest_digit},
                                   {"sure", sure_reading},
                                   {"precision", width == Width::single ? "single" : "half"},
                                   {"parameters", parameters}})
                         .dump());
}

std::string about(const Layout& layout, const ModelFacts& facts,
                  const std::vector<std::string>& notes, Width width) {
    std::string text = "<p>The network: " + sizes_text(layout);
    if (layout.layers() > 1) text += std::string(", ") + name_of(facts.activation);
    text += formatted(", %s, %zu parameters", name_of(facts.objective.output), layout.total());
    if (facts.state.epoch > 0)
        text += ", trained for " + progress_text(facts.state.epoch, facts.state.step);
    text += std::string(". Made by main ") + escaped(facts.version) + ".</p>\n";
    for (const std::string& note : notes) text += "<p>Note: " + escaped(note) + ".</p>\n";
    if (width == Width::half) text += std::string("<p>Note: ") + note_half + ".</p>\n";
    return text;
}

/// The text, with what stands in double braces replaced, from left to right. Braces in a content
/// are left as they are. `contents` has every place of the text, in the text's order.
std::string filled(const std::string& text,
                   const std::vector<std::pair<std::string, std::string>>& contents) {
    std::string result;
    std::size_t done = 0;
    for (const auto& [place, content] : contents) {
        const std::string braces = "{{" + place + "}}";
        const std::size_t found = text.find(braces, done);
        result += text.substr(done, found - done) + content;
        done = found + braces.size();
    }
    return result + text.substr(done);
}

std::string page_with(const Layout& layout, const ModelFacts& facts,
                      const std::vector<std::string>& notes, Width width,
                      const std::string& parameters) {
    const std::string script = std::string(sheet_js) + prepare_js + network_js + show_js + draw_js;
    return filled(page_html, {{"style", page_css},
                              {"about", about(layout, facts, notes, width)},
                              {"network", network_json(layout, facts, width, parameters)},
                              {"script", script}});
}

std::size_t page_size(const Layout& layout, const ModelFacts& facts,
                      const std::vector<std::string>& notes, Width width) {
    return page_with(layout, facts, notes, width, "").size() +
           base64_size(bytes_each(width) * layout.total());
}

void check_page_size(const Layout& layout, const ModelFacts& facts,
                     const std::vector<std::string>& notes, const std::string& name) {
    const std::size_t size = page_size(layout, facts, notes, Width::half);
    if (size <= most_page_bytes) return;
    refuse(name, "a network whose page has at most 1.5 MB",
           std::to_string(layout.total()) + " parameters, " +
               bytes_text(static_cast<double>(size)) + " in half precision",
           "train one with smaller layers (-n)");
}

}  // namespace

void check_digit_page(const Layout& layout, const ModelFacts& facts, const std::string& name) {
    if (layout.classes() < 2)
        refuse(name, "a network whose outputs are classes", "one output",
               "give one that was trained on labels");
    if (facts.pictures_as_is)
        refuse(name, "a network for prepared pictures, for a page to draw in",
               "one that takes pictures as they are (--as-is)",
               "give one that was trained without it");
    check_page_size(layout, facts, {}, name);
}

DigitPage digit_page(const Model& model, const std::string& name) {
    const Layout& layout = model.parameters.layout;
    const ModelFacts& facts = model.facts;
    check_digit_page(layout, facts, name);
    check_page_size(layout, facts, model.notes, name);
    const Width width = page_size(layout, facts, model.notes, Width::single) <= most_page_bytes
                            ? Width::single
                            : Width::half;
    return {page_with(layout, facts, model.notes, width,
                      parameters_text(model.parameters, width, name)),
            width == Width::half};
}
