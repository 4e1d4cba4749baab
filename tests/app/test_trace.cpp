// test_trace.cpp: timelines as JSON, as a picture and in words, from events with known times.
#include "app/report/trace.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/timeline.h"
#include "tests/support/markup_check.h"

namespace {

/// Two ranks on two nodes; rank 0 waits half of its step, rank 1 a tenth.
Trace two_ranks() {
    Trace trace;
    trace.nodes = {0, 1};
    trace.steps = 1;
    trace.of_rank = {{{"wait", -1, 0.0, 0.9},  // before the step
                      {"forward", 1, 1.0, 1.5},
                      {"sum", -1, 1.5, 2.0},
                      {"step", 0, 1.0, 2.0}},
                     {{"load", -1, 1.0, 1.9}, {"wait", -1, 1.9, 2.0}, {"step", 0, 1.0, 2.0}}};
    return trace;
}

TEST(Trace, WordsNameTheRankThatWaitsLeast) {
    EXPECT_EQ(trace_words(two_ranks()),
              "step 1; sums and waits took 10 % of the time of rank 1, the slowest, and 50 % "
              "of rank 0, the fastest");
}

TEST(Trace, JsonHasAThreadForEachRankAndMicrosecondsFromTheFirstEvent) {
    const Json json = Json::parse(trace_json(two_ranks()));
    std::size_t ranks_named = 0, nodes = 0;
    double sum_at = 0, sum_took = 0;
    for (const Json& event : json["traceEvents"].items()) {
        const std::string name = event["name"].text();
        ranks_named += name == "thread_name";
        nodes += name == "process_name" && event["args"]["name"].text() == "node 1";
        if (name != "sum") continue;
        sum_at = event["ts"].number();
        sum_took = event["dur"].number();
        EXPECT_EQ(event["tid"].number(), 0);
    }
    EXPECT_EQ(ranks_named, 2u);
    EXPECT_EQ(nodes, 1u);
    EXPECT_NEAR(sum_at, 1.5e6, 1e-3);
    EXPECT_NEAR(sum_took, 0.5e6, 1e-3);
}

TEST(Trace, PictureHasARowForEachRankAndNoBarOutsideTheStep) {
    const std::string picture = step_picture(two_ranks());
    EXPECT_EQ(markup_error("<div>" + picture + "</div>"), "");
    for (const char* text : {">rank 0<", ">rank 1<", ">sum 500000.0 us<", ">load 900000.0 us<"})
        EXPECT_NE(picture.find(text), std::string::npos) << text;
    EXPECT_EQ(picture.find("wait 900000.0 us"), std::string::npos) << "before the step";
    EXPECT_EQ(step_picture({}), "");
}

/// A sum that goes on while something else is done lies within no event of its thread.
TEST(Trace, BucketsAreEventsBesideTheThreads) {
    Trace trace = two_ranks();
    trace.of_rank[1].insert(trace.of_rank[1].begin(), {"bucket", 3, 1.25, 1.95});
    std::string kinds;
    double begin = 0, end = 0;
    const Json json = Json::parse(trace_json(trace));
    for (const Json& event : json["traceEvents"].items()) {
        if (event["name"].text() != "bucket 3") continue;
        kinds += event["ph"].text();
        (event["ph"].text() == "b" ? begin : end) = event["ts"].number();
        EXPECT_EQ(event["id"].text(), "1.3");
    }
    EXPECT_EQ(kinds, "be");
    EXPECT_NEAR(begin, 1.25e6, 1e-3);
    EXPECT_NEAR(end, 1.95e6, 1e-3);
    EXPECT_NE(step_picture(trace).find(">bucket 3 700000.0 us<"), std::string::npos);
    EXPECT_EQ(trace_words(trace), trace_words(two_ranks())) << "nobody waits for it";
}

TEST(Timeline, NotesNothingUntilItStartsAndEndsBetweenTwoSteps) {
    { const Traced before("before"); }
    EXPECT_TRUE(timeline::events().empty());
    timeline::start(3000);
    for (int step = 0; step < 1000; ++step) {
        timeline::step_begins();
        const Traced whole("step", step), other_thread(1, "elsewhere");
        const Traced piece("piece", 7);
    }
    EXPECT_FALSE(timeline::is_on());
    const auto& events = timeline::events();
    ASSERT_EQ(events.size(), 2 * timeline::steps());
    EXPECT_GT(timeline::steps(), 900u);
    EXPECT_LT(timeline::steps(), 1000u);
    EXPECT_STREQ(events[0].name, "piece");
    EXPECT_EQ(events[0].number, 7);
    EXPECT_EQ(events[1].number, 0);
    EXPECT_LE(events[1].start, events[0].start);
    EXPECT_LE(events[0].end, events[1].end);
}

}  // namespace
