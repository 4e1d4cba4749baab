// judge.cpp: judge SEED RANKS NONCE FOLDER: says which answers of a submission are right.
//
// It is built from the untouched tree and runs in a process of its own. Each step of the submission
// is compared with the reference's step from the same parameters, within what rounding explains, as
// -s does (train/step_check.h). For each question it prints a line: its name, 1 or 0, why.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "answers.h"
#include "step_questions.h"
#include "training_questions.h"

namespace {

void print(const char* name, const Fault& fault) {
    std::printf("%s %d %s\n", name, fault.empty(), fault.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fputs("usage: judge SEED RANKS NONCE FOLDER; make grade calls it\n", stderr);
        return exit_bad_input;
    }
    const GradedCase asked = graded_case(std::strtoull(argv[1], nullptr, 10));
    const int size = std::atoi(argv[2]);
    std::vector<Records> ranks;
    ranks.reserve(static_cast<std::size_t>(std::max(size, 0)));
    for (int r = 0; r < size; ++r)
        ranks.push_back(read_records(std::string(argv[4]) + "/" + std::to_string(r), argv[3]));
    const Answers answers(asked, std::move(ranks));
    const StepQuestions of_step(asked, answers);
    const TrainingQuestions of_training(asked, answers);
    print("loss", of_step.loss());
    print("loss-told", of_training.told());
    print("step", of_step.step());
    print("training", of_training.steps());
    print("endings", of_training.endings());
    print("penalty-in-loss", of_step.penalty_in_loss());
    print("penalty-of-weights", of_step.penalty_in_step(true));
    print("no-penalty-of-biases", of_step.penalty_in_step(false));
    return exit_ok;
}
