// model.cpp: fuzzes the reader of model files.
//
// A byte more or less in the header makes its length wrong, and the reader stops there. So every
// input is tried twice: as it is, and with the length that makes the header end at its last brace.
#include "model/model_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/npz.h"
#include "model/initial.h"
#include "tests/fuzz/targets.h"

namespace fuzz {

namespace {

Model random_model(const std::vector<int>& sizes) {
    Model model{initial_parameters<nn_real>(Layout(sizes), 1, 0), {}};
    model.facts.version = "1";
    return model;
}

/// What was accepted must be finite, and come back the same from a file of our own.
void judge_file(std::span<const std::uint8_t> bytes) {
    accepts([&] {
        const Model model = parse_model(bytes, "model");
        const auto& values = model.parameters.values;
        require(values.size() == model.parameters.layout.total(), "parameters without a place");
        require(is_zip(bytes) || values.size() * 2 <= bytes.size(), "parameters from nowhere");
        require(
            std::all_of(values.begin(), values.end(), [](nn_real v) { return std::isfinite(v); }),
            "a parameter that is not finite");
        const Bytes again = format_model(model);
        const Model same = parse_model(again, "again");
        require(
            same.parameters.layout == model.parameters.layout && same.parameters.values == values,
            "parameters that do not come back");
        require(same.facts.state == model.facts.state &&
                    same.facts.activation == model.facts.activation &&
                    same.facts.pixel_scale == model.facts.pixel_scale &&
                    same.facts.history == model.facts.history &&
                    same.facts.columns == model.facts.columns &&
                    same.facts.class_names == model.facts.class_names,
                "facts that do not come back");
    });
}

}  // namespace

void judge_model(std::span<const std::uint8_t> bytes) {
    judge_file(bytes);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto brace = text.rfind('}');
    if (brace == std::string_view::npos || brace < 8) return;
    Bytes mended(bytes.begin(), bytes.end());
    const std::uint64_t length = brace - 7;
    std::memcpy(mended.data(), &length, sizeof length);
    if (!std::ranges::equal(mended, bytes)) judge_file(mended);
}

std::vector<Bytes> model_seeds() {
    Model checkpoint = random_model({4, 3, 2});
    checkpoint.facts.objective = {OutputLayer::sigmoid, LossFunction::mse};
    checkpoint.facts.activation = Tanh{};
    checkpoint.facts.rows = checkpoint.facts.cols = 2;
    checkpoint.facts.state = {3, 17, 0.1};
    checkpoint.facts.settings = R"({"hidden":[3],"data":"data"})";
    checkpoint.facts.history = R"([{"epoch":1,"loss":0.5,"accuracy":null}])";
    const std::string torch = R"({"0.bias":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
                              R"("0.weight":{"dtype":"F64","shape":[1,2],"data_offsets":[8,24]}})";
    Bytes of_torch(8 + torch.size() + 24);
    of_torch[0] = static_cast<std::uint8_t>(torch.size());
    std::copy(torch.begin(), torch.end(), of_torch.begin() + 8);
    return {format_model(random_model({2, 1})), format_model(checkpoint), of_torch};
}

}  // namespace fuzz
