// import.cpp: reads another program's network, and writes it with all that a network here says.
#include "app/commands/import.h"

#include <filesystem>
#include <set>

#include "app/report/notes.h"
#include "app/run/load.h"
#include "base/error.h"
#include "base/text.h"

namespace {

/// Refuses what would be guessed, though the user is here to say it.
void check_said(const ImportOptions& options, const Model& model) {
    if (!model.facts.version.empty())
        throw InputError(options.file +
                         ": expected a network of another program, found a file of ./main; use it "
                         "as it is");
    if (model.activation_assumed)
        throw InputError(options.file +
                         ": expected a file that says its activation, or --activation sigmoid, "
                         "tanh or relu, found neither; add the flag");
    std::error_code error;
    if (std::filesystem::equivalent(options.file, options.out, error))
        throw InputError("-o " + options.out +
                         ": expected another file than the one that is imported, found the same; "
                         "give another name");
}

std::string tensors_text(const Model& model) {
    std::string names;
    std::set<std::string> types;
    for (const FileTensor& tensor : model.tensors) {
        names += (names.empty() ? "" : ", ") + tensor.name;
        types.insert(tensor.type);
    }
    std::string all;
    for (const std::string& type : types) all += (all.empty() ? "" : ", ") + type;
    return one_line(names) + "; " + all;
}

/// True if the numbers change nothing: none, or one that is `neutral`.
bool is_nothing(const std::vector<double>& numbers, double neutral) {
    return numbers.empty() || numbers == std::vector{neutral};
}

std::string numbers_text(const std::vector<double>& numbers) {
    if (numbers.size() == 1) return formatted("%g", numbers.front());
    return counted(numbers.size(), "number");
}

/// What was folded into the first layer; empty if nothing was.
std::string inputs_text(const ForeignFacts& said) {
    std::string text = said.invert ? (said.raw_pixels ? "255 - x" : "1 - x") : "x";
    if (!is_nothing(said.mean, 0)) text = "(" + text + " - " + numbers_text(said.mean) + ")";
    if (!is_nothing(said.std, 1)) text += " / " + numbers_text(said.std);
    return text == "x" ? "" : text + ", folded into the first layer";
}

std::string import_text(const ImportOptions& options, const Model& model) {
    const ModelFacts& facts = model.facts;
    std::string text = formatted("network   %s: %s", one_line(options.file).c_str(),
                                 sizes_text(model.parameters.layout).c_str());
    if (model.parameters.layout.layers() > 1) text += std::string(", ") + name_of(facts.activation);
    text += std::string(", ") + name_of(facts.objective.output) + "\n";
    text += "tensors   " + tensors_text(model) + "\n";
    if (facts.rows > 0)
        text += formatted("images    %d x %d, as %d inputs suggest\n", facts.rows, facts.cols,
                          model.parameters.layout.inputs());
    if (const std::string inputs = inputs_text(options.said); !inputs.empty())
        text += "inputs    " + inputs + "\n";
    return text + "written   " + one_line(options.out) + "\n";
}

}  // namespace

int import_model(const Comm& comm, const ImportOptions& options) {
    comm.together([&] {
        if (!comm.is_root()) return;
        Model model = parse_model(read_model_bytes(options.file), options.file, options.said);
        check_said(options, model);
        guess_shape(model);
        model.facts.version = program_version;
        save_model(options.out, model);
        for (const std::string& note : model.notes) print_note(note);
        print(import_text(options, model));
    });
    return exit_ok;
}
