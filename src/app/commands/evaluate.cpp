// evaluate.cpp: computes and prints loss, accuracy and confusion matrix of a network on a test set.
#include "app/commands/evaluate.h"

#include <algorithm>

#include "app/report/guessing.h"
#include "app/report/notes.h"
#include "app/run/check_targets.h"
#include "app/run/load.h"
#include "app/run/table_facts.h"
#include "base/json.h"
#include "base/text.h"
#include "input/image_source.h"
#include "input/picture_folder.h"
#include "input/set_notes.h"
#include "train/evaluate.h"

namespace {

constexpr int widest_matrix = 20;  ///< classes

/// The names of a network's classes; numbers where it has no names.
std::vector<std::string> class_names_for_pictures(const Model& model) {
    std::vector<std::string> names = model.facts.class_names;
    for (int c = 0; names.size() < static_cast<std::size_t>(model.parameters.layout.classes()); ++c)
        names.push_back(std::to_string(c));
    return names;
}

/// Reads the test set; refuses it if the network cannot take it.
SampleSet read_set(const EvaluateOptions& options, const Model& model,
                   std::vector<std::string>& notes) {
    const Layout& layout = model.parameters.layout;
    const ModelFacts& facts = model.facts;
    if (!facts.version.empty()) check_takes_pictures(model, options.load);  // others do not say it
    if (!options.picture_folder.empty()) {
        if (facts.pictures_as_is && !options.images.as_is) notes.push_back(note_as_is);
        return read_picture_folder(options.picture_folder, facts.rows, facts.cols, notes,
                                   class_names_for_pictures(model),
                                   options.images.as_is || facts.pictures_as_is);
    }
    ImageSet read = read_images(options.data, options.images, Split::test, layout.classes());
    SampleSet set = std::move(read.samples);
    notes.insert(notes.end(), read.notes.begin(), read.notes.end());
    const auto about = notes_on_images(set, facts.pixel_scale == 1);
    notes.insert(notes.end(), about.begin(), about.end());
    const bool fits = set.features() == static_cast<std::size_t>(layout.inputs());
    if (fits && (facts.rows == 0 || (set.rows == facts.rows && set.cols == facts.cols))) return set;
    const std::string takes = facts.rows > 0 ? formatted("%d x %d", facts.rows, facts.cols)
                                             : std::to_string(layout.inputs()) + " pixels in all";
    throw InputError(options.data + ": expected test images of " + takes + ", as the network " +
                     options.load + " takes them, found " +
                     formatted("%d x %d", set.rows, set.cols) +
                     "; give the data that it was trained for with --data DIR");
}

std::string class_table(const Score& score, const std::vector<std::string>& names) {
    std::string text = formatted("%5s %9s %10s %9s\n", "class", "samples", "precision", "recall");
    for (int c = 0; c < score.classes; ++c) {
        text += formatted("%5d %9zu %10s %9s", c, score.count_of(c),
                          percent(score.precision(c)).c_str(), percent(score.recall(c)).c_str());
        if (!names.empty()) text += "  " + one_line(names[static_cast<std::size_t>(c)]);
        text += "\n";
    }
    return text;
}

std::string confusion_text(const Score& score) {
    if (score.classes > widest_matrix)
        return formatted("confusion matrix: %d classes are too wide to print; --json has it\n",
                         score.classes);
    const auto most = std::to_string(*std::ranges::max_element(score.confusion));
    const int width = std::max<int>(2, static_cast<int>(most.size())) + 1;
    std::string text =
        "confusion matrix: a row is the true class, a column the predicted class\n     ";
    for (int predicted = 0; predicted < score.classes; ++predicted)
        text += formatted("%*d", width, predicted);
    text += "\n";
    for (int true_class = 0; true_class < score.classes; ++true_class) {
        text += formatted("%5d", true_class);
        for (int predicted = 0; predicted < score.classes; ++predicted)
            text += formatted("%*zu", width, score.at(true_class, predicted));
        text += "\n";
    }
    return text;
}

}  // namespace

std::string evaluation_text(const EvaluationSummary& summary) {
    const Score& score = summary.score;
    const Interval interval = wilson_interval(score.correct, score.total);
    const std::string data =
        summary.is_table
            ? formatted("%zu samples of %d inputs", score.total, summary.rows)
            : formatted("%zu test images of %d x %d", score.total, summary.rows, summary.cols);
    const std::string about =
        formatted("network   %s: %s\n", one_line(summary.model).c_str(),
                  sizes_text(summary.layout).c_str()) +
        formatted("data      %s: %s\n", one_line(summary.data).c_str(), data.c_str());
    const std::string loss = formatted("loss      %.5f\n", summary.loss);
    if (!summary.has_classes) return about + loss;
    return about +
           formatted("accuracy  %s (%zu of %zu), 95 %% interval %.2f to %.2f %%\n",
                     percent(score.accuracy()).c_str(), score.correct, score.total,
                     100 * interval.low, 100 * interval.high) +
           loss + "\n" + class_table(score, summary.class_names) + "\n" + confusion_text(score);
}

std::string evaluation_json(const EvaluationSummary& summary) {
    const Score& score = summary.score;
    const Interval interval = wilson_interval(score.correct, score.total);
    Json classes = Json::array(), confusion = Json::array();
    for (int c = 0; c < score.classes; ++c) {
        Json one = Json::object({{"class", c}});
        if (!summary.class_names.empty())
            one.add("name", summary.class_names[static_cast<std::size_t>(c)]);
        one.add("samples", score.count_of(c));
        one.add("precision", score.precision(c));
        one.add("recall", score.recall(c));
        classes.add(std::move(one));
        Json row = Json::array();
        for (int predicted = 0; predicted < score.classes; ++predicted)
            row.add(score.at(c, predicted));
        confusion.add(std::move(row));
    }
    Json object = Json::object({{"network", summary.model},
                                {"sizes", summary.layout.sizes()},
                                {"data", summary.data},
                                {"samples", score.total}});
    if (summary.has_classes) {
        object.add("correct", score.correct);
        object.add("accuracy", score.accuracy());
        object.add("interval", Json::array({interval.low, interval.high}));
    }
    object.add("loss", summary.loss);
    if (summary.has_classes) {
        object.add("classes", std::move(classes));
        object.add("confusion", std::move(confusion));
    }
    object.add("notes", summary.notes);
    return object.dump() + "\n";
}

int evaluate(const Comm& comm, const EvaluateOptions& options) {
    const Model model = load_model_everywhere(comm, options.load, options.said);
    const bool is_table = !options.csv_data.empty();
    SampleSet set;
    std::vector<std::string> notes = model.notes;
    bool has_classes = true;
    comm.together([&] {
        if (!comm.is_root()) return;
        set = is_table ? read_table_for(model, options.load,
                                        {options.csv_data, true, options.target}, notes)
                       : read_set(options, model, notes);
        if (is_table) {
            check_reachable(set, model.facts.objective, options.csv_data);
            has_classes = table_facts_of(model, options.load).has_classes;
        }
    });
    DataParallelNeuralNetwork network = network_of(comm, options.device, model, kind_of(comm, set));
    const Evaluation whole = Evaluator(network, set).evaluate();
    comm.together([&] {
        if (!comm.is_root()) return;
        EvaluationSummary summary{options.load,
                                  is_table ? options.csv_data : options.data,
                                  set.rows,
                                  set.cols,
                                  model.parameters.layout,
                                  whole.loss,
                                  score(set, whole.yhat, 0),
                                  is_table,
                                  has_classes,
                                  model.facts.class_names,
                                  notes};
        if (has_classes)
            if (const std::string note = guessing_note(
                    is_table ? "table's" : "test", summary.score.correct, summary.score.total,
                    share_of_largest_class(set), "are the data those that it was trained for?");
                !note.empty())
                summary.notes.push_back(note);
        if (!options.json)
            for (const std::string& note : summary.notes) print_note(note);
        print(options.json ? evaluation_json(summary) : evaluation_text(summary));
    });
    return exit_ok;
}
