// predict.cpp: reads, classifies and prints file by file, on all ranks.
#include "app/commands/predict.h"
#include "train/evaluate.h"

#include <algorithm>

#include "app/commands/picture_inputs.h"
#include "app/commands/prediction.h"
#include "app/commands/touching.h"
#include "app/report/draw.h"
#include "app/report/notes.h"
#include "app/run/load.h"
#include "app/run/table_facts.h"
#include "base/text.h"
#include "base/whole_file.h"
#include "mnist_reader.h"
#include "train/score.h"

namespace {

/// The number of outputs of each sample.
std::size_t outputs_each(const SampleSet& set, std::span<const nn_real> yhat) {
    return yhat.size() / std::max(set.count(), std::size_t{1});
}

/// What the network says, and how its answers are told.
struct Answers {
    const PredictOptions& options;
    const std::vector<std::string>& class_names;
    bool is_class = true;
    std::size_t count = 0;  ///< so far
    std::string csv = {};   ///< the rows of --out so far

    /// The whole output about one file; with --out, nothing, but more rows.
    std::string about(const std::string& file, const SampleSet& set, std::span<const nn_real> yhat,
                      bool with_index);
    /// The same about a line of digits.
    std::string about_line(const std::string& file, const SampleSet& set,
                           std::span<const nn_real> yhat) const;
};

std::string Answers::about(const std::string& file, const SampleSet& set,
                           std::span<const nn_real> yhat, bool with_index) {
    const std::size_t outputs = outputs_each(set, yhat);
    const Shades shades = shades_of_output();
    std::string text;
    for (std::size_t i = 0; i < set.count(); ++i) {
        const Prediction prediction{file, i, yhat.subspan(i * outputs, outputs), class_names,
                                    is_class};
        ++count;
        if (!options.out.empty())
            csv += csv_row(prediction, count, options.submission);
        else
            text += options.json ? prediction_json(prediction)
                                 : prediction_line(prediction, with_index);
        if (options.show)
            text += drawn(std::span(set.pixels).subspan(i * set.features(), set.features()),
                          set.rows, set.cols, shades);
    }
    return text;
}

std::string Answers::about_line(const std::string& file, const SampleSet& set,
                                std::span<const nn_real> yhat) const {
    const std::size_t outputs = outputs_each(set, yhat);
    std::vector<Prediction> digits;
    for (std::size_t i = 0; i < set.count(); ++i)
        digits.push_back({file, i, yhat.subspan(i * outputs, outputs), class_names});
    std::string text = options.json ? number_json(digits) : number_lines(digits);
    for (std::size_t i = 0; i < set.count() && options.show; ++i)
        text += drawn(std::span(set.pixels).subspan(i * set.features(), set.features()), set.rows,
                      set.cols, shades_of_output());
    return text;
}

void note_doubt(const std::string& file, const char* what) {
    print_note(file + ": " + what +
                   "; if it is two digits that touch, cut the picture between them, or write them "
                   "apart",
               stderr);
}

/// Notes what may be two digits. In a line that is what check_each_is_one() lets pass.
void note_crowded(const std::string& file, const PictureInputs& inputs, bool is_line,
                  std::span<const nn_real> yhat) {
    const std::size_t outputs = outputs_each(inputs.set, yhat);
    for (std::size_t i = 0; i < inputs.digits.size(); ++i) {
        const DrawnDigit& digit = inputs.digits[i];
        const auto said = yhat.subspan(i * outputs, outputs);
        if (is_line ? how_many(digit, said) == HowMany::two : may_be_two(digit, said))
            note_doubt(file, "a drawing has more strokes, or closer ones, than most digits have");
    }
}

/// Throws InputError if a drawing looks like two digits that touch, or is a dash, and notes what
/// may be two, and what was made narrower.
void check_digits_apart(const std::string& file, const PictureInputs& inputs, bool is_line,
                        std::span<const std::string> class_names, std::span<const nn_real> yhat) {
    if (inputs.digits.empty()) return;  // nothing was prepared
    if (reads_digits(class_names, outputs_each(inputs.set, yhat))) {
        if (is_line)
            check_each_is_one(file, inputs.digits, yhat);
        else
            check_is_one(file, inputs.digits.front(), yhat);
        note_crowded(file, inputs, is_line, yhat);
    }
    for (const DrawnDigit& digit : inputs.digits)
        if (digit.was_squeezed)
            note_doubt(file, "a drawing is wider than a digit is, and was made narrower");
}

/// A picture is prepared by guesses, and may show no digit at all. What the network gives less than
/// a half is said to be unsure.
void note_unsure(const std::string& file, const SampleSet& set, std::span<const nn_real> yhat,
                 bool is_prepared) {
    const std::size_t outputs = outputs_each(set, yhat);
    for (std::size_t i = 0; i < set.count(); ++i) {
        const double p = predicted_class(yhat.subspan(i * outputs, outputs)).probability;
        if (p >= 0.5) continue;
        print_note(formatted("%s: the network is not sure (%.4f); see what it gets with --show%s",
                             file.c_str(), p, is_prepared ? ", or --explain DIR" : ""),
                   stderr);
        return;
    }
}

/// Writes the file of --out, if there is one.
void write_out(const Answers& answers, const std::vector<std::string>& targets) {
    const PredictOptions& options = answers.options;
    if (options.out.empty()) return;
    const std::string text =
        csv_heading(options.submission, answers.is_class, targets) + answers.csv;
    write_whole_file(options.out,
                     {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    print(formatted("# written    %s: %s\n", one_line(options.out).c_str(),
                    counted(answers.count, "prediction").c_str()));
}

/// The rows of a table.
int predict_table(const Comm& comm, const PredictOptions& options, const Model& model) {
    SampleSet set;
    TableFacts facts;
    comm.together([&] {
        if (!comm.is_root()) return;
        std::vector<std::string> notes;
        set = read_table_for(model, options.load, {options.csv_data, false, options.target}, notes);
        facts = table_facts_of(model, options.load);
        if (!facts.has_classes && !options.submission.empty() &&
            model.parameters.layout.classes() > 1)
            throw InputError(
                "--submission: the network has " +
                std::to_string(model.parameters.layout.classes()) +
                " numbers as its answer, and there is one column for them; leave it out");
        for (const std::string& note : notes) print_note(note, stderr);
    });
    InputKind kind = kind_of(comm, set);
    kind.format.without_targets = false;
    DataParallelNeuralNetwork network = network_of(comm, options.device, model, kind);
    const std::vector<nn_real> yhat = Evaluator(network, set).outputs();
    comm.together([&] {
        if (!comm.is_root()) return;
        Answers answers{options, model.facts.class_names, facts.has_classes};
        print(answers.about(options.csv_data, set, yhat, true));
        write_out(answers, facts.target_names());
    });
    return exit_ok;
}

/// A network that was trained on pictures as they are gets others so, too.
void take_as_trained(const Comm& comm, const Model& model, PredictOptions& options) {
    if (!model.facts.pictures_as_is || options.as_is) return;
    if (options.digits || !options.explain.empty())
        refuse(options.load, "a network for prepared pictures, for --digits and --explain",
               "one that was trained on pictures as they are (--as-is)",
               "leave these flags out, or give another network");
    options.as_is = true;
    if (comm.is_root() && !std::ranges::all_of(options.files, is_idx_or_gzip))
        print_note(note_as_is, stderr);
}

}  // namespace

int predict(const Comm& comm, const PredictOptions& given) {
    PredictOptions options = given;
    Model model = load_model_everywhere(comm, options.load, options.said);
    if (comm.is_root())
        for (const std::string& note : model.notes) print_note(note, stderr);
    if (!options.csv_data.empty()) return predict_table(comm, options, model);
    guess_shape(model);
    comm.together([&] {
        check_takes_pictures(model, options.load);
        if (options.digits) check_digits(model, options.load);
        check_explain(options);
        take_as_trained(comm, model, options);
    });
    DataParallelNeuralNetwork network = network_of(comm, options.device, model);
    Answers answers{options, model.facts.class_names};
    OwnSize own_size;
    bool all_right = true;
    for (const std::string& file : options.files) {
        PictureInputs inputs;
        const SampleSet& set = inputs.set;
        bool right = tried_on_root(
            comm, [&] { inputs = read_inputs(file, model.facts, options, own_size); });
        if (right) {
            const std::vector<nn_real> yhat = Evaluator(network, set).outputs();
            right = tried_on_root(comm, [&] {
                check_digits_apart(file, inputs, options.digits, model.facts.class_names, yhat);
                print(options.digits ? answers.about_line(file, set, yhat)
                                     : answers.about(file, set, yhat, is_idx_or_gzip(file)));
                if (!is_idx_or_gzip(file)) note_unsure(file, set, yhat, !options.as_is);
            });
        }
        all_right = all_right && right;
    }
    comm.together([&] {
        if (own_size.prepared > 0)
            print_note(counted(own_size.prepared, "picture") +
                           " of the network's own size prepared as any other; for a network that "
                           "was trained on unprepared images, give --as-is",
                       stderr);
        if (comm.is_root() && all_right) write_out(answers, {});
    });
    return all_right ? exit_ok : exit_bad_input;
}
