// answers.h: what the ranks of a submission wrote, and the checks that all questions have in
// common.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "case.h"
#include "neural_network.h"
#include "records.h"

/// What is wrong; empty: nothing.
using Fault = std::string;

Fault off_by(const std::string& what, double difference, double bound);

class Answers {
  public:
    Answers(const GradedCase& asked, std::vector<Records> ranks)
        : asked_(asked), ranks_(std::move(ranks)) {}

    std::size_t ranks() const { return ranks_.size(); }
    std::size_t size() const { return asked_.layout.total(); }  ///< of the parameters
    /// Empty if it wrote none.
    std::span<const double> of(std::size_t rank, const std::string& name) const;
    /// Whether the rank came so far that it wrote it, however many numbers.
    Fault came_to(std::size_t rank, const std::string& name) const;
    /// The rank gave so many numbers.
    Fault given(std::size_t rank, const std::string& name, std::size_t count) const;
    /// Every rank gave so many numbers, and the same ones.
    Fault same_on_all(const std::string& name, std::size_t count) const;
    /// Gradients went through MPI_Allreduce in every step, the set through MPI_Scatterv each epoch.
    Fault calls(const std::string& name, std::size_t steps, std::size_t epochs,
                const SampleSet& set) const;

  private:
    const GradedCase& asked_;
    const std::vector<Records> ranks_;
};

/// All samples of a set, in its order.
std::vector<std::uint32_t> all_of(const SampleSet& set);

/// Compares a step from the reference's parameters, which then become the submission's.
Fault compare_step(NeuralNetwork& reference, const GradedCase& asked, const SampleSet& set,
                   std::span<const std::uint32_t> samples, const Update& update,
                   std::span<const double> found);
