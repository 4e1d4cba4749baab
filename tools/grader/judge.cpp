// judge.cpp: judge SEED RANKS NONCE FOLDER: says which answers of a submission are right.
//
// It is built from the untouched tree and runs in a process of its own. Each step of the submission
// is compared with the reference's step from the same parameters, within what rounding explains, as
// -s does (train/step_check.h). For each question it prints a line: its name, 1 or 0, why.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "case.h"
#include "loss_rounding.h"
#include "neural_network.h"
#include "records.h"
#include "train/judge.h"
#include "train/order.h"
#include "train/rounding.h"
#include "train/schedule.h"

namespace {

/// What is wrong; empty: nothing.
using Fault = std::string;

Fault off_by(const std::string& what, double difference, double bound) {
    if (difference <= bound) return "";  // NaN is more than any bound
    return what + formatted(" is off by %.1e, and rounding explains %.1e", difference, bound);
}

class Judge {
  public:
    Judge(const GradedCase& asked, std::vector<Records> ranks)
        : asked_(asked), ranks_(std::move(ranks)), reference_(asked.initial) {}

    Fault loss() const {
        if (Fault fault = same_on_all("loss", 2); !fault.empty()) return fault;
        const double difference = std::abs(ranks_[0].at("loss")[0] - reference_loss(0));
        return off_by("the loss", difference, loss_bound(0));
    }
    /// What a penalty adds to the loss of rank 0, whatever that loss is.
    Fault penalty_in_loss() const {
        if (Fault fault = given(0, "loss", 2); !fault.empty()) return fault;
        const auto& losses = ranks_[0].at("loss");
        const double expected = reference_loss(asked_.reg) - reference_loss(0);
        return off_by("the penalty in the loss", std::abs(losses[1] - losses[0] - expected),
                      loss_bound(0) + loss_bound(asked_.reg));
    }
    Fault step() {
        if (Fault fault = same_on_all("step", size()); !fault.empty()) return fault;
        if (Fault fault = calls("step", 1, asked_.step_set); !fault.empty()) return fault;
        std::ranges::copy(asked_.initial.values, reference_.parameters().values.begin());
        return compare_step(asked_.step_set, all_of(asked_.step_set), {graded_rate, 0},
                            ranks_[0].at("step"));
    }
    /// A step with a penalty must differ from one without by rate reg W, and nothing in the biases.
    /// Both have the same gradient, so a wrong one changes nothing, except that one that is too
    /// large by the number of ranks rounds so much more coarsely. Rank 0 is asked alone, because
    /// ranks that differ have lost the points of the step.
    Fault penalty(bool of_weights) const {
        for (const char* name : {"step", "step-with-penalty"})
            if (Fault fault = given(0, name, size()); !fault.empty()) return fault;
        const auto &without = ranks_[0].at("step"), &with = ranks_[0].at("step-with-penalty");
        Parameters<nn_real> found(asked_.layout), moved(asked_.layout);
        Parameters<double> expected(asked_.layout);
        const Parameters<double> unmoved(asked_.layout);
        for (std::size_t i = 0; i < size(); ++i) {
            found.values[i] = static_cast<nn_real>(without[i] - with[i]);
            moved.values[i] = static_cast<nn_real>(without[i]) - asked_.initial.values[i];
        }
        for (int l = 1; l <= asked_.layout.layers(); ++l)
            std::ranges::transform(asked_.initial.weights(l), expected.weights(l).begin(),
                                   [&](nn_real w) { return graded_rate * asked_.reg * w; });
        const auto differences = compare(found, expected), moves = compare(moved, unmoved);
        const std::vector<double> bounds = penalty_bounds();
        for (std::size_t i = of_weights ? 0 : 1; i < differences.size(); i += 2) {
            const std::string& name = differences[i].name;
            if (!(moves[i].norm > bounds[i])) return "a step does not change " + name;
            if (Fault fault = off_by("the penalty's part in the step of " + name,
                                     differences[i].norm, bounds[i]);
                !fault.empty())
                return fault;
        }
        return "";
    }
    Fault training() {
        const Schedule schedule(asked_.training, asked_.train_set.count());
        const auto steps = static_cast<std::size_t>(schedule.steps_in_epoch()),
                   all = steps * static_cast<std::size_t>(asked_.training.epochs);
        if (Fault fault = same_on_all("training", all * size()); !fault.empty()) return fault;
        if (Fault fault = same_on_all("trained", size()); !fault.empty()) return fault;
        if (Fault fault = calls("training", all, asked_.train_set); !fault.empty()) return fault;
        const std::span<const double> after = ranks_[0].at("training");
        std::ranges::copy(asked_.initial.values, reference_.parameters().values.begin());
        for (std::size_t step = 0; step < all; ++step) {
            const auto epoch = static_cast<int>(step / steps),
                       number = static_cast<int>(step % steps);
            const auto order = sample_order(asked_.train_set.count(), epoch, asked_.training);
            const auto batch = static_cast<std::size_t>(asked_.training.batch),
                       first = static_cast<std::size_t>(number) * batch;
            const auto samples =
                std::span(order).subspan(first, std::min(batch, order.size() - first));
            const Fault fault =
                compare_step(asked_.train_set, samples, schedule.update(epoch, number),
                             after.subspan(step * size(), size()));
            if (!fault.empty())
                return formatted("epoch %d, step %d of %d: ", epoch + 1, number + 1,
                                 static_cast<int>(steps)) +
                       fault;
        }
        if (!std::ranges::equal(after.last(size()), ranks_[0].at("trained")))
            return "train() ends at other parameters than its last step";
        return "";
    }

  private:
    std::size_t size() const { return asked_.layout.total(); }
    static std::vector<std::uint32_t> all_of(const SampleSet& set) {
        std::vector<std::uint32_t> samples(set.count());
        std::iota(samples.begin(), samples.end(), 0u);
        return samples;
    }
    /// The reference at the first parameters, forward over the single mini-batch.
    NeuralNetwork reference_forward() const {
        NeuralNetwork reference(asked_.initial);
        reference.forward(
            input_columns(asked_.step_set, all_of(asked_.step_set), asked_.training.pixel_scale));
        return reference;
    }
    Matrix step_targets() const { return target_columns(asked_.step_set, all_of(asked_.step_set)); }
    double reference_loss(double reg) const {
        return reference_forward().loss(step_targets(), reg);
    }
    double loss_bound(double reg) const {
        return rounding_of_loss(reference_forward(), step_targets(), reg);
    }
    std::vector<double> penalty_bounds() const {
        std::vector<double> bounds(2 * static_cast<std::size_t>(asked_.layout.layers()));
        for (const double reg : {0.0, asked_.reg}) {
            NeuralNetwork reference = reference_forward();
            reference.backward(step_targets(), reg);
            const auto more = rounding_of_step(reference, step_targets(),
                                               {graded_rate, static_cast<nn_real>(reg)});
            for (std::size_t i = 0; i < bounds.size(); ++i)
                bounds[i] += more[i] * static_cast<double>(ranks_.size());
        }
        return bounds;
    }

    /// Rank r gave so many numbers.
    Fault given(std::size_t r, const std::string& name, std::size_t count) const {
        const auto found = ranks_[r].find(name);
        if (found == ranks_[r].end()) return "the submission ended before it came to this";
        if (found->second.size() == count) return "";
        if (name != "training") return "the submission wrote no " + name;
        return formatted("train() told its observer of %zu steps, not of %zu",
                         found->second.size() / size(), count / size());
    }
    /// Every rank gave so many numbers, and the same ones.
    Fault same_on_all(const std::string& name, std::size_t count) const {
        for (std::size_t r = 0; r < ranks_.size(); ++r) {
            if (Fault fault = given(r, name, count); !fault.empty()) return fault;
            if (ranks_[r].at(name) != ranks_[0].at(name))
                return formatted("rank %zu has another result than rank 0", r);
        }
        return "";
    }
    Fault calls(const std::string& name, std::size_t steps, const SampleSet& set) const {
        for (std::size_t r = 0; r < ranks_.size(); ++r) {
            const auto found = ranks_[r].find(name + "-calls");
            if (found == ranks_[r].end() || found->second.size() != 2)
                return "the submission ended before it came to this";
            if (ranks_.size() > 1 && found->second[0] < static_cast<double>(steps * size()))
                return "the gradients are not summed by MPI_Allreduce in every step";
        }
        const std::size_t bytes = set.input_bytes().size() + set.target_bytes().size();
        const std::size_t epochs =
            name == "step" ? 1 : static_cast<std::size_t>(asked_.training.epochs);
        if (ranks_[0].at(name + "-calls")[1] < static_cast<double>(bytes * epochs))
            return "rank 0 does not send the samples by MPI_Scatterv";
        return "";
    }

    /// Compares a step from the reference's parameters, which then become the submission's.
    Fault compare_step(const SampleSet& set, std::span<const std::uint32_t> samples,
                       const Update& update, std::span<const double> found) {
        const Matrix y = target_columns(set, samples);
        reference_.forward(input_columns(set, samples, asked_.training.pixel_scale));
        reference_.backward(y, 0);
        const std::vector<double> bounds = rounding_of_step(reference_, y, update);
        reference_.update(update);
        Parameters<nn_real> values(asked_.layout);
        std::ranges::transform(found, values.values.begin(),
                               [](double x) { return static_cast<nn_real>(x); });
        const auto differences = compare(values, reference_.parameters());
        std::ranges::copy(found, reference_.parameters().values.begin());
        Fault fault;
        for (std::size_t i = 0; i < bounds.size(); ++i) {
            const Fault one = off_by(differences[i].name, differences[i].norm, bounds[i]);
            if (!one.empty()) fault += (fault.empty() ? "" : "; ") + one;
        }
        return fault;
    }

    const GradedCase& asked_;
    const std::vector<Records> ranks_;
    NeuralNetwork reference_;
};

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
    Judge judge(asked, std::move(ranks));
    print("loss", judge.loss());
    print("step", judge.step());
    print("penalty-in-loss", judge.penalty_in_loss());
    print("penalty-of-weights", judge.penalty(true));
    print("no-penalty-of-biases", judge.penalty(false));
    print("training", judge.training());
    return exit_ok;
}
