// predict.cpp: reads, classifies and prints file by file, on all ranks.
#include "app/commands/predict.h"
#include "train/evaluate.h"

#include <algorithm>
#include <cmath>

#include "app/report/draw.h"
#include "app/run/load.h"
#include "base/json.h"
#include "base/text.h"
#include "input/picture.h"
#include "mnist_reader.h"
#include "train/score.h"

namespace {

/// A file of another program does not say the shape of its images. If the number of inputs is a
/// square number, the images are taken for squares.
void guess_shape(Model& model) {
    ModelFacts& facts = model.facts;
    if (!facts.version.empty() || facts.rows > 0) return;
    const int inputs = model.parameters.layout.inputs();
    const int side = static_cast<int>(std::lround(std::sqrt(inputs)));
    if (side * side == inputs) facts.rows = facts.cols = side;
}

/// One picture, or the images of an IDX file, as the network takes them.
SampleSet read_inputs(const std::string& file, const ModelFacts& facts) {
    if (!is_idx_or_gzip(file)) {
        SampleSet one;
        one.rows = facts.rows;
        one.cols = facts.cols;
        one.pixels = as_network_input(read_picture(file), facts.rows, facts.cols, file);
        one.format.without_targets = true;
        return one;
    }
    SampleSet set = read_idx_images(file);
    if (set.rows != facts.rows || set.cols != facts.cols)
        throw InputError(
            formatted("%s: expected images of %d x %d pixels, as the network takes, "
                      "found %d x %d; give it images of its size, or PNG files, which are scaled",
                      file.c_str(), facts.rows, facts.cols, set.rows, set.cols));
    return set;
}

/// The whole output about one file.
std::string predictions_text(const std::string& file, const SampleSet& set,
                             std::span<const nn_real> yhat, const PredictOptions& options) {
    const std::size_t outputs = yhat.size() / std::max(set.count(), std::size_t{1});
    const Shades shades = shades_of_output();
    const bool with_index = is_idx_or_gzip(file);
    std::string text;
    for (std::size_t i = 0; i < set.count(); ++i) {
        const Prediction prediction{file, i, yhat.subspan(i * outputs, outputs)};
        text +=
            options.json ? prediction_json(prediction) : prediction_line(prediction, with_index);
        if (options.show)
            text += drawn(std::span(set.pixels).subspan(i * set.features(), set.features()),
                          set.rows, set.cols, shades);
    }
    return text;
}

}  // namespace

std::string prediction_line(const Prediction& prediction, bool with_index) {
    const PredictedClass predicted = predicted_class(prediction.yhat);
    return formatted("%s%s  %d  %.4f\n", one_line(prediction.file).c_str(),
                     with_index ? (":" + std::to_string(prediction.index)).c_str() : "",
                     predicted.c, predicted.probability);
}

std::string prediction_json(const Prediction& prediction) {
    const PredictedClass predicted = predicted_class(prediction.yhat);
    const Json object = Json::object(
        {{"file", prediction.file},
         {"index", prediction.index},
         {"class", predicted.c},
         {"probability", predicted.probability},
         {"probabilities", Json::Array(prediction.yhat.begin(), prediction.yhat.end())}});
    return object.dump() + "\n";
}

int predict(const Comm& comm, const PredictOptions& options) {
    Model model = load_model_everywhere(comm, options.load);
    guess_shape(model);
    comm.together([&] { check_takes_pictures(model, options.load); });
    DataParallelNeuralNetwork network = network_of(comm, options.device, model);
    bool all_right = true;
    for (const std::string& file : options.files) {
        SampleSet set;
        bool right = tried_on_root(comm, [&] { set = read_inputs(file, model.facts); });
        if (right) {
            const std::vector<nn_real> yhat = Evaluator(network, set).outputs();
            right = tried_on_root(comm, [&] { print(predictions_text(file, set, yhat, options)); });
        }
        all_right = all_right && right;
    }
    return all_right ? exit_ok : exit_bad_input;
}
