// test_present.cpp: what predict, evaluate and inspect tell is right, aligned and harmless.
//
// Networks' answers, models and sets are made by hand; the texts are compared as they stand, the
// JSON is parsed again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "app/commands/evaluate.h"
#include "app/commands/inspect.h"
#include "app/commands/prediction.h"
#include "app/report/draw.h"
#include "base/text.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

/// A network 2-3 whose weights are 1 to 6 and whose biases are 0, -4 and 3.
Model small_model() {
    Model model{Parameters<nn_real>(Layout({2, 3})), {}};
    model.parameters.values = {1, 2, 3, 4, 5, 6, 0, -4, 3};
    model.tensors = {{"fc.weight", "F32"}, {"fc.bias", "F64"}};
    return model;
}

/// 2 of 3 right; no sample has class 2, and class 1 is never predicted.
EvaluationSummary small_evaluation() {
    Score score;
    score.classes = 3;
    score.total = 3;
    score.correct = 2;
    score.confusion = {2, 0, 0, 0, 0, 1, 0, 0, 0};
    return {"net.safetensors", "data", 28, 28, Layout({784, 5, 3}), 0.25, score};
}

}  // namespace

TEST(Text, of_the_user_stays_in_one_line) {
    EXPECT_EQ(one_line("a\nb\r\t\033[31mc\x7f é"), "a?b???[31mc? é");
}

TEST(Draw, in_ascii_a_character_is_the_mean_of_two_pixels) {
    const Bytes pixels = {0, 255, 0,   128,  //
                          0, 255, 255, 128};
    EXPECT_EQ(drawn(pixels, 2, 4, Shades::ascii), " @++\n");
    EXPECT_EQ(drawn(Bytes{255, 255, 255}, 3, 1, Shades::ascii), "@\n+\n");
}

TEST(Draw, in_a_terminal_the_upper_pixel_is_in_front_and_the_lower_one_behind) {
    EXPECT_EQ(drawn(Bytes{255, 7}, 2, 1, Shades::colour),
              "\033[38;2;255;255;255;48;2;7;7;7m▀\033[0m\n");
    EXPECT_EQ(drawn(Bytes{255, 0}, 2, 1, Shades::grey), "\033[38;5;255;48;5;232m▀\033[0m\n");
}

TEST(Predict, a_line_has_name_digit_and_probability) {
    const std::vector<nn_real> yhat = {0.125f, 0.75f, 0.125f};
    EXPECT_EQ(prediction_line({"my\n7.png", 0, yhat}, false), "my?7.png  1  0.7500\n");
    EXPECT_EQ(prediction_line({"t10k.gz", 17, yhat}, true), "t10k.gz:17  1  0.7500\n");
}

TEST(Predict, json_is_one_object_a_line_whatever_the_name) {
    const std::vector<nn_real> yhat = {0.125f, 0.75f, 0.125f};
    const std::string line = prediction_json({"a\"\n\xff.png", 3, yhat});
    EXPECT_EQ(std::ranges::count(line, '\n'), 1);
    const Json object = Json::parse(line);
    EXPECT_EQ(object["file"], "a\"\n\xef\xbf\xbd.png");
    EXPECT_EQ(object["index"], 3);
    EXPECT_EQ(object["class"], 1);
    EXPECT_EQ(object["probability"], 0.75);
    EXPECT_EQ(object["probabilities"].dump(), "[0.125,0.75,0.125]");
}

TEST(Evaluate, text_is_aligned_and_says_what_is_not_defined) {
    EXPECT_EQ(evaluation_text(small_evaluation()),
              "network   net.safetensors: 784-5-3\n"
              "data      data: 3 test images of 28 x 28\n"
              "accuracy  66.67 % (2 of 3), 95 % interval 20.77 to 93.85 %\n"
              "loss      0.25000\n"
              "\n"
              "class   samples  precision    recall\n"
              "    0         2   100.00 %  100.00 %\n"
              "    1         1          -    0.00 %\n"
              "    2         0     0.00 %         -\n"
              "\n"
              "confusion matrix: a row is the true class, a column the predicted class\n"
              "       0  1  2\n"
              "    0  2  0  0\n"
              "    1  0  0  1\n"
              "    2  0  0  0\n");
}

TEST(Evaluate, a_matrix_wider_than_a_terminal_is_left_to_json) {
    EvaluationSummary summary = small_evaluation();
    summary.score.classes = 62;
    summary.score.confusion.assign(62 * 62, 1);
    const std::string text = evaluation_text(summary);
    EXPECT_NE(text.find("62 classes are too wide to print"), std::string::npos) << text;
    EXPECT_EQ(Json::parse(evaluation_json(summary))["confusion"].items().size(), 62u);
}

TEST(Evaluate, json_has_the_same_and_null_for_what_is_not_defined) {
    const Json object = Json::parse(evaluation_json(small_evaluation()));
    EXPECT_EQ(object["network"], "net.safetensors");
    EXPECT_EQ(object["sizes"].dump(), "[784,5,3]");
    EXPECT_EQ(object["samples"], 3);
    EXPECT_EQ(object["correct"], 2);
    EXPECT_EQ(object["accuracy"], 2.0 / 3);
    EXPECT_EQ(object["loss"], 0.25);
    EXPECT_EQ(object["interval"].items()[0], wilson_interval(2, 3).low);
    EXPECT_EQ(object["interval"].items()[1], wilson_interval(2, 3).high);
    EXPECT_EQ(object["confusion"].dump(), "[[2,0,0],[0,0,1],[0,0,0]]");
    const Json::Array& classes = object["classes"].items();
    EXPECT_EQ(classes[0].dump(), R"({"class":0,"samples":2,"precision":1.0,"recall":1.0})");
    EXPECT_TRUE(classes[1]["precision"].is_null());
    EXPECT_TRUE(classes[2]["recall"].is_null());
}

TEST(Inspect, a_models_tensors_have_shape_type_and_size) {
    const Json found = found_in_model(small_model());
    EXPECT_EQ(found["parameters"], 9);
    const Json& weights = found["tensors"].items()[0];
    EXPECT_EQ(weights["name"], "W1");
    EXPECT_EQ(weights["shape"].dump(), "[3,2]");
    EXPECT_EQ(weights["type"], "F32");
    EXPECT_EQ(weights["min"], 1.0);
    EXPECT_EQ(weights["mean"], 3.5);
    EXPECT_EQ(weights["max"], 6.0);
    EXPECT_DOUBLE_EQ(weights["norm"].number(), std::sqrt(91.0));
    const Json& bias = found["tensors"].items()[1];
    EXPECT_EQ(bias["name"], "b1");
    EXPECT_EQ(bias["shape"].dump(), "[3]");
    EXPECT_EQ(bias["type"], "F64");
    EXPECT_EQ(bias["min"], -4.0);
    EXPECT_DOUBLE_EQ(bias["norm"].number(), 5.0);
}

TEST(Inspect, a_models_text_says_where_the_training_stood_and_by_which_settings) {
    Model model = small_model();
    model.facts.rows = 1;
    model.facts.cols = 2;
    model.facts.pixel_scale = 0.5;
    model.facts.seed = 7;
    model.facts.state = {.epoch = 3, .step = 4, .loss = 1.5};
    model.facts.settings = R"({"batch":24,"device":"auto\nx"})";
    model.facts.version = "0.2.0";
    EXPECT_EQ(model_text(found_in_model(model)),
              "a network 2-3 of 9 parameters\n"
              "  written by           main 0.2.0\n"
              "  output, loss         softmax, cross-entropy\n"
              "  images               1 x 2, times 0.5\n"
              "  seed                 7\n"
              "  trained              3 epochs and 4 steps of the next\n"
              "  batch                24\n"
              "  device               auto?x\n"
              "  tensor shape         type          min         mean          max         norm\n"
              "  W1     3 x 2         F32             1          3.5            6       9.5394\n"
              "  b1     3             F64            -4     -0.33333            3            5\n");
}

TEST(Inspect, another_programs_model_is_named_so) {
    const std::string text = model_text(found_in_model(small_model()));
    EXPECT_NE(text.find("another program"), std::string::npos) << text;
    EXPECT_EQ(text.find("images"), std::string::npos) << text;
}

TEST(Inspect, a_set_has_counts_of_its_classes_and_its_mean_pixel) {
    SampleSet set;
    set.rows = 1;
    set.cols = 2;
    set.classes = 3;
    set.pixels = {0, 255, 0, 0, 3, 0};
    set.labels = {2, 0, 2};
    const Json found = found_in_set(set, "test", "images.gz", "labels");
    EXPECT_EQ(found["classes"].dump(), "[1,0,2]");
    EXPECT_EQ(found["mean_pixel"], 43.0);
    EXPECT_EQ(set_text(found),
              "test set, 3 images of 1 x 2, mean pixel 43.00 of 255\n"
              "  images.gz, labels\n"
              "  class    images\n"
              "      0         1\n"
              "      1         0\n"
              "      2         2\n");
}

TEST(Inspect, checkpoints_are_listed_valid_or_not) {
    const Json list =
        Json::array({Json::object({{"file", "a"},
                                   {"valid", true},
                                   {"sizes", std::vector<int>{2, 3}},
                                   {"epoch", 1},
                                   {"step", 0}}),
                     Json::object({{"file", "b"}, {"valid", false}, {"why", "b: cut\nshort"}})});
    EXPECT_EQ(checkpoints_text(list),
              "checkpoints: 2\n"
              "  a  2-3, 1 epoch\n"
              "  b  not valid: b: cut?short\n");
}
