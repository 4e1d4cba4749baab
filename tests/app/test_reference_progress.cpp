// test_reference_progress.cpp: a person sees how far the reference is, and its line leaves no
// trace.
#include "app/run/reference_progress.h"

#include <gtest/gtest.h>

#include <string>

namespace {

std::string printed(bool terminal, double every) {
    testing::internal::CaptureStdout();
    {
        ReferenceProgress progress(terminal, every);
        for (std::size_t done = 1; done <= 4; ++done) progress.tell(done, 4);
    }
    return testing::internal::GetCapturedStdout();
}

TEST(ReferenceProgress, IsALineForEachTellingInAFile) {
    const std::string text = printed(false, 0);
    std::size_t at = 0;
    for (const char* part : {"# reference  25 % of its steps, 0.0 s left\n", "# reference  50 % ",
                             "# reference  75 % ", "# reference  100 % "}) {
        const std::size_t found = text.find(part, at);
        ASSERT_NE(found, std::string::npos) << part << " in " << text;
        at = found + 1;
    }
}

TEST(ReferenceProgress, IsOneLineThatVanishesOnATerminal) {
    const std::string text = printed(true, 0);
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_TRUE(text.ends_with(" s left\r\033[K")) << text;
}

TEST(ReferenceProgress, OfAShortTrainingIsNothing) {
    EXPECT_EQ(printed(false, 10), "");
    EXPECT_EQ(printed(true, 10), "");
}

}  // namespace
