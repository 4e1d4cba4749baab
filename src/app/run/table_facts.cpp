// table_facts.cpp: see table_facts.h. It trusts no file: what another program wrote is checked.
#include "app/run/table_facts.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <variant>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "input/table_reader.h"

namespace {

constexpr std::size_t longest_names = std::size_t{1} << 22;  // bytes; a header has 16 MiB

std::vector<double> numbers_in(const Json& list) {
    std::vector<double> numbers;
    for (const Json& number : list.items()) numbers.push_back(number.number());
    return numbers;
}

bool has_twice(auto values) {
    std::ranges::sort(values);
    return std::ranges::adjacent_find(values) != values.end();
}

TableColumns columns_in(const Json& json) {
    TableColumns columns{json["count"].whole()};
    for (const Json& target : json["targets"].items())
        columns.targets.push_back(target.whole() - 1);
    if (const Json* names = json.find("names"))
        for (const Json& name : names->items()) columns.names.push_back(name.text());
    return columns;
}

InputScale scale_in(const Json& json) {
    const auto kind = value_named<ScaleKind>(json["scale"].text());
    if (!kind) throw std::bad_variant_access();
    InputScale scale{*kind};
    if (scale.kind == ScaleKind::none) return scale;
    scale.from = numbers_in(json["from"]);
    scale.by = numbers_in(json["by"]);
    return scale;
}

/// "" or what is wrong.
std::string mistake_in(const TableFacts& facts, const Layout& layout) {
    const TableColumns& columns = facts.columns;
    const auto inputs = static_cast<std::size_t>(layout.inputs()),
               outputs = static_cast<std::size_t>(layout.classes()),
               targets = columns.targets.size();
    const auto bad_number = [](double value) { return !std::isfinite(value); };
    if (columns.count != inputs + targets)
        return "a count of " + std::to_string(inputs) + " inputs and the targets";
    if (targets != outputs && (targets != 1 || outputs < 2)) return "one target, or one an output";
    if (std::ranges::any_of(columns.targets, [&](auto place) { return place >= columns.count; }) ||
        has_twice(columns.targets))
        return "targets among the columns, each once";
    if ((!columns.names.empty() && columns.names.size() != columns.count) ||
        has_twice(columns.names))
        return "a name for each column, each another";
    const std::size_t scaled = facts.scale.kind == ScaleKind::none ? 0 : inputs;
    if (facts.scale.from.size() != scaled || facts.scale.by.size() != scaled ||
        std::ranges::any_of(facts.scale.from, bad_number) ||
        std::ranges::any_of(facts.scale.by, [](double by) { return !(by >= 0); }) ||
        std::ranges::any_of(facts.scale.by, bad_number) || bad_number(facts.rms))
        return "a finite scale for each input";
    return "";
}

}  // namespace

std::vector<std::string> TableFacts::target_names() const {
    std::vector<std::string> names;
    for (const std::size_t place : columns.targets)
        names.push_back(columns.names.empty() ? "column " + std::to_string(place + 1)
                                              : columns.names[place]);
    return names;
}

std::string to_json(const TableFacts& facts) {
    const TableColumns& columns = facts.columns;
    if (columns.count == 0) return "{}";
    std::size_t bytes = 0;
    for (const std::string& name : columns.names) bytes += name.size() + 3;
    Json json = Json::object({{"count", columns.count}});
    if (bytes > 0 && bytes <= longest_names) json.add("names", columns.names);
    Json targets = Json::array();
    for (const std::size_t target : columns.targets) targets.add(target + 1);
    json.add("targets", std::move(targets));
    json.add("scale", name_of(facts.scale.kind));
    if (facts.scale.kind != ScaleKind::none) {
        json.add("from", facts.scale.from);
        json.add("by", facts.scale.by);
    }
    json.add("rms", facts.rms);
    json.add("classes", facts.has_classes);
    return json.dump();
}

TableFacts table_facts_of(const Model& model, const std::string& file) {
    TableFacts facts;
    if (model.facts.columns == "{}") return facts;
    std::string wrong;
    try {
        const Json json = Json::parse(model.facts.columns);
        facts = {columns_in(json), scale_in(json), json["rms"].number(), json["classes"].truth()};
        wrong = mistake_in(facts, model.parameters.layout);
    } catch (const std::bad_variant_access&) {
        wrong = "the columns as this program writes them";
    }
    if (!wrong.empty())
        refuse(file, "metadata \"columns\" with " + wrong, "another thing",
               "the file is damaged, or from a newer program: train the network again");
    return facts;
}

bool is_for_images(const ModelFacts& facts) { return !facts.version.empty() && facts.rows > 0; }
bool is_for_tables(const ModelFacts& facts) { return facts.columns != "{}"; }

void check_takes_tables(const Model& model, const std::string& file) {
    const ModelFacts& facts = model.facts;
    if (!is_for_images(facts)) return;
    refuse(file, "a network for tables",
           formatted("one for images of %d x %d, which has %d inputs", facts.rows, facts.cols,
                     model.parameters.layout.inputs()),
           "give it images, or a network that was trained with --csv-data");
}

SampleSet read_raw_table_for(const Model& model, const TableFacts& facts, const WantedTable& wanted,
                             std::vector<std::string>& notes) {
    const Layout& layout = model.parameters.layout;
    Table table = read_table(wanted.file, TableOfNetwork{facts.columns, model.facts.class_names,
                                                         static_cast<std::size_t>(layout.inputs()),
                                                         static_cast<std::size_t>(layout.classes()),
                                                         wanted.with_targets, wanted.target});
    notes.insert(notes.end(), table.notes.begin(), table.notes.end());
    return std::move(table.set);
}

SampleSet read_table_for(const Model& model, const std::string& model_file,
                         const WantedTable& wanted, std::vector<std::string>& notes) {
    check_takes_tables(model, model_file);
    const TableFacts facts = table_facts_of(model, model_file);
    SampleSet set = read_raw_table_for(model, facts, wanted, notes);
    facts.scale.apply(set, wanted.file);
    constexpr double far = 10;
    const double rms = rms_of(set);
    if (facts.columns.count > 0 && (rms > far * facts.rms || far * rms < facts.rms))
        notes.push_back(
            formatted("%s: inputs have a root mean square of %.3g, and those of the training had "
                      "%.3g: the answers mean little; give a table in the same units",
                      one_line(wanted.file).c_str(), rms, facts.rms));
    return set;
}
