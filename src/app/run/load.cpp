// load.cpp: see load.h.
#include "app/run/load.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "app/run/table_facts.h"
#include "base/error.h"
#include "base/text.h"
#include "train/choose.h"

Model load_model_everywhere(const Comm& comm, const std::string& file, const ForeignFacts& said) {
    std::vector<std::uint8_t> bytes;
    comm.together([&] {
        if (comm.is_root()) bytes = read_model_bytes(file);
    });
    bytes.resize(comm.from_root(bytes.size()));
    comm.broadcast(bytes);
    std::optional<Model> model;
    comm.together([&] { model = parse_model(bytes, file, said); });
    return std::move(*model);
}

void guess_shape(Model& model) {
    ModelFacts& facts = model.facts;
    if (!facts.version.empty() || facts.rows > 0) return;
    const int inputs = model.parameters.layout.inputs();
    const int side = static_cast<int>(std::lround(std::sqrt(inputs)));
    if (side >= 8 && side * side == inputs) facts.rows = facts.cols = side;
}

void check_takes_pictures(const Model& model, const std::string& file) {
    check_kind(model, file, false);
    const ModelFacts& facts = model.facts;
    const int inputs = model.parameters.layout.inputs();
    if (facts.rows > 1 && facts.cols > 1 && std::int64_t{facts.rows} * facts.cols == inputs) return;
    throw InputError(file + ": expected a network for pictures, found one with " +
                     std::to_string(inputs) + " inputs and " +
                     (facts.rows > 0 ? "samples of " + std::to_string(facts.rows) + " x " +
                                           std::to_string(facts.cols)
                                     : "no rows and columns in the file") +
                     "; give one that ./main trained on images");
}

void check_kind(const Model& model, const std::string& file, bool is_table) {
    if (is_table) return;  // the table tells (run/table_facts.h)
    if (is_for_tables(model.facts))
        refuse(file, "a network for images",
               "one for tables, which has " + std::to_string(model.parameters.layout.inputs()) +
                   " inputs",
               "give it a table with --csv-data, or a network that was trained on images");
}

void check_digits(const Model& model, const std::string& file) {
    const int classes = model.parameters.layout.classes();
    const bool letters = std::ranges::all_of(
        model.facts.class_names, [](const std::string& name) { return name.size() == 1; });
    if (classes <= 10 && letters) return;
    refuse(file, "a network of at most ten classes, for --digits, with names of one letter",
           letters ? std::to_string(classes) + " classes" : "longer names",
           "leave --digits out, and cut the picture");
}

InputKind kind_of(const Comm& comm, const SampleSet& set) {
    InputKind kind{set.format, comm.from_root(set.density())};
    for (bool* field :
         {&kind.format.number_inputs, &kind.format.number_targets, &kind.format.without_targets})
        *field = comm.from_root(*field);
    return kind;
}

DataParallelNeuralNetwork network_of(const Comm& comm, const DeviceRequest& wanted,
                                     const Model& model, const InputKind& inputs) {
    constexpr int capacity = 256;  // samples that a rank takes at once
    DeviceRequest asked = wanted;
    asked.allreduce = AllreduceKind::mpi;  // there are no gradients to sum
    const ReplicaShape shape{.layout = model.parameters.layout,
                             .capacity = capacity,
                             .pixel_scale = static_cast<nn_real>(model.facts.pixel_scale),
                             .objective = model.facts.objective,
                             .format = inputs.format,
                             .activation = model.facts.activation};
    ChosenDevice device = choose_device(comm, asked, shape, capacity, inputs.density);
    return {comm, std::move(device.replica), model.parameters, {std::move(device.reducer)}};
}

bool tried_on_root(const Comm& comm, const std::function<void()>& action) {
    bool right = true;
    if (comm.is_root()) {
        try {
            action();
        } catch (const InputError& error) {
            print_error(error.what());
            right = false;
        }
    }
    return comm.from_root(right);
}
