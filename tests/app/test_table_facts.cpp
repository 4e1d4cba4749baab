// test_table_facts.cpp: what a network knows of its table comes back from its file, and takes
// another table as the training took its own.
#include "app/run/table_facts.h"

#include <gtest/gtest.h>

#include "app/run/check_targets.h"
#include "model/initial.h"
#include "tests/support/file_fixture.h"

namespace {

/// A network of two inputs and three classes, trained on the columns kind, x and y.
Model table_model() {
    Model model{initial_parameters<nn_real>(Layout({2, 3}), 1, 0), {}};
    model.facts.version = "1";
    model.facts.class_names = {"a", "b", "c"};
    model.facts.columns =
        to_json({{3, {"kind", "x", "y"}, {0}}, {ScaleKind::minmax, {1, 0.1}, {4, 0}}, 0.5, true});
    return model;
}
std::filesystem::path write_text(const TemporaryDirectory& dir, const std::string& text) {
    return dir.write("t.csv", {text.begin(), text.end()});
}

TEST(TableFacts, ComeBackFromTheirJson) {
    const Model model = table_model();
    const TableFacts facts = table_facts_of(model, "m");
    EXPECT_EQ(facts.columns.count, 3u);
    EXPECT_EQ(facts.columns.names, (std::vector<std::string>{"kind", "x", "y"}));
    EXPECT_EQ(facts.columns.targets, std::vector<std::size_t>{0});
    EXPECT_EQ(facts.scale.kind, ScaleKind::minmax);
    EXPECT_EQ(facts.scale.from, (std::vector<double>{1, 0.1}));
    EXPECT_EQ(facts.scale.by, (std::vector<double>{4, 0}));
    EXPECT_EQ(facts.rms, 0.5);
    EXPECT_TRUE(facts.has_classes);
    EXPECT_EQ(to_json(facts), model.facts.columns);
    EXPECT_EQ(to_json(TableFacts{}), "{}");
    EXPECT_EQ(table_facts_of({model.parameters, {}}, "m").columns.count, 0u);
}

TEST(TableFacts, ThatDoNotFitTheNetworkAreRefused) {
    for (
        const char* bad :
        {R"({"count":4,"targets":[1],"scale":"none","rms":1,"classes":true})",
         R"({"count":3,"targets":[],"scale":"none","rms":1,"classes":true})",
         R"({"count":3,"targets":[4],"scale":"none","rms":1,"classes":true})",
         R"({"count":3,"targets":[0],"scale":"none","rms":1,"classes":true})",
         R"({"count":5,"targets":[1,1,2],"scale":"none","rms":1,"classes":true})",
         R"({"count":3,"names":["x","x","y"],"targets":[1],"scale":"none","rms":1,"classes":true})",
         R"({"count":3,"names":["x"],"targets":[1],"scale":"none","rms":1,"classes":true})",
         R"({"count":3,"targets":[1],"scale":"log","rms":1,"classes":true})",
         R"({"count":3,"targets":[1],"scale":"minmax","from":[1],"by":[1],"rms":1,"classes":true})",
         R"({"count":3,"targets":[1],"scale":"minmax","from":[1,1],"by":[1,-1],"rms":1,"classes":true})",
         R"({"count":"3","targets":[1],"scale":"none","rms":1,"classes":true})",
         R"({"targets":[1]})", R"({"count":3,"targets":[1],"scale":"none","rms":1})"}) {
        SCOPED_TRACE(bad);
        Model model = table_model();
        model.facts.columns = bad;
        expect_refusal([&] { table_facts_of(model, "m"); }, {"m", "\"columns\""});
    }
}

TEST(TableFacts, BringAnotherTableToTheScaleOfTheTraining) {
    TemporaryDirectory dir;
    std::vector<std::string> notes;
    const auto file = write_text(dir, "y,x,kind\n7,3,c\n8,-1,a\n");
    const SampleSet set = read_table_for(table_model(), "m", {file.string()}, notes);
    EXPECT_EQ(set.inputs, (std::vector<nn_real>{0.5, 0, -0.5, 0}));
    EXPECT_EQ(set.labels, (std::vector<std::uint8_t>{2, 0}));
    EXPECT_EQ(notes, std::vector<std::string>{});
    for (const char* far : {"x,y\n1000,0\n", "x,y\n1.1,0\n"}) {
        notes.clear();
        read_table_for(table_model(), "m", {write_text(dir, far).string(), false}, notes);
        ASSERT_EQ(notes.size(), 1u) << far;
        EXPECT_NE(notes[0].find("root mean square"), std::string::npos);
    }
}

TEST(TableFacts, OfImagesAreRefusedForATable) {
    Model model = table_model();
    model.facts.columns = "{}";
    model.facts.rows = 1;
    model.facts.cols = 2;
    std::vector<std::string> notes;
    expect_refusal(
        [&] {
            read_table_for(model, "m", {"t.csv", false}, notes);
        },
        {"m", "a network for tables", "images of 1 x 2", "--csv-data"});
}

// ---- targets ------------------------------------------------------------------------------------

SampleSet with_targets(std::vector<nn_real> targets, int outputs) {
    SampleSet set{.rows = 1, .cols = 1, .classes = outputs};
    set.format = {.number_inputs = true, .number_targets = true};
    set.inputs.resize(targets.size() / static_cast<std::size_t>(outputs));
    set.targets = std::move(targets);
    return set;
}
SampleSet with_labels(std::vector<std::uint8_t> labels, int classes) {
    SampleSet set{.rows = 1, .cols = 1, .classes = classes};
    set.format = {.number_inputs = true};
    set.inputs.resize(labels.size());
    set.labels = std::move(labels);
    return set;
}
constexpr Objective softmax{}, sigmoids{OutputLayer::sigmoid, LossFunction::mse};

TEST(Targets, ThatNoOutputReachesAreRefused) {
    EXPECT_NO_THROW(check_reachable(with_targets({0, 0.5, 1, 1}, 2), sigmoids, "t"));
    EXPECT_NO_THROW(
        check_reachable(with_targets({0, 1, nn_real(0.333), nn_real(0.667)}, 2), softmax, "t"));
    for (const nn_real bad : {nn_real(5), nn_real(-0.5), nn_real(1.001)})
        for (const LossFunction loss : {LossFunction::cross_entropy, LossFunction::mse})
            expect_refusal(
                [&] {
                    check_reachable(with_targets({0, bad}, 1), {OutputLayer::sigmoid, loss}, "t");
                },
                {"t", "targets from 0 to 1", "--target"});
    expect_refusal(
        [&] {
            check_reachable(with_targets({0, 1, 1, 1}, 2), softmax, "t");
        },
        {"the sum 1", "the sum 2 in sample 2", "--output sigmoid"});
    expect_refusal([&] { check_reachable(with_targets({0, 0}, 2), softmax, "t"); }, {"the sum 0"});
}

TEST(Targets, WithOneValueOnlyAreRefused) {
    const TableColumns columns{3, {"x", "low", "high"}, {1, 2}};
    const auto refused = [&](const SampleSet& set, const Objective& objective,
                             const std::vector<std::string>& parts) {
        expect_refusal([&] { check_varied(set, objective, columns, "t"); }, parts);
    };
    refused(with_labels({1, 1}, 2), softmax,
            {"t", "2 training samples", "only the class 1 in column 2 \"low\"", "--target"});
    SampleSet named = with_labels({1, 1, 1}, 2);
    named.class_names = {"no", "yes"};
    refused(named, softmax, {"only the class yes"});
    refused(with_targets({0, 0.25, 1, 0.25}, 2), sigmoids, {"only 0.25 in column 3 \"high\""});
    refused(with_targets({0, 1, 0, 1}, 2), softmax, {"only 0 in column 2"});
    refused(with_targets({1}, 1), sigmoids, {"1 training sample,"});
    EXPECT_NO_THROW(check_varied(with_labels({0, 1}, 2), softmax, columns, "t"));
    // A class that no sample has is a constant column, and gives a note.
    EXPECT_NO_THROW(check_varied(with_targets({1, 0, 0, 0, 1, 0}, 3), softmax, columns, "t"));
}

TEST(Targets, OfClassesThatTheTrainingLacksAreNoted) {
    const auto notes = [](const SampleSet& set, const Objective& objective = softmax) {
        const auto list = notes_on_classes(set, objective);
        EXPECT_LE(list.size(), 1u);
        return list.empty() ? std::string() : list[0];
    };
    EXPECT_EQ(notes(with_labels({0, 1, 2}, 3)), "");
    EXPECT_EQ(notes(with_labels({3, 1, 3}, 4)).substr(0, 41),
              "no training sample has the class 0, 2: th");
    EXPECT_NE(notes(with_labels({0, 9}, 10)).find("1, 2, 3, 4, 5 and 3 more"), std::string::npos);
    SampleSet named = with_labels({0, 2}, 3);
    named.class_names = {"a", "b", "c"};
    EXPECT_NE(notes(named).find("the class b"), std::string::npos);
    EXPECT_NE(notes(with_labels({0, 0}, 1)).find("all training samples have the class 0"),
              std::string::npos);
    EXPECT_NE(notes(with_labels({4, 4}, 5)).find("all training samples have the class 4"),
              std::string::npos);
    EXPECT_NE(notes(with_targets({1, 0, 0, 0, 1, 0}, 3)).find("the class 2"), std::string::npos);
    EXPECT_EQ(notes(with_targets({0, 0.25}, 1), sigmoids), "") << "numbers are no classes";
}

}  // namespace
