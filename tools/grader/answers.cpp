// answers.cpp: trusts no count of numbers that a submission has written.
#include "answers.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "train/judge.h"
#include "train/rounding.h"

Fault off_by(const std::string& what, double difference, double bound) {
    if (difference <= bound) return "";  // NaN is more than any bound
    return what + formatted(" is off by %.1e, and rounding explains %.1e", difference, bound);
}

std::span<const double> Answers::of(std::size_t rank, const std::string& name) const {
    const auto found = ranks_[rank].find(name);
    return found == ranks_[rank].end() ? std::span<const double>{} : found->second;
}

Fault Answers::came_to(std::size_t rank, const std::string& name) const {
    return ranks_[rank].contains(name) ? "" : "the submission ended before it came to this";
}

Fault Answers::given(std::size_t rank, const std::string& name, std::size_t count) const {
    if (Fault fault = came_to(rank, name); !fault.empty()) return fault;
    if (of(rank, name).size() == count) return "";
    if (name != "training") return "the submission wrote no " + name;
    const std::size_t told = of(rank, name).size() / size(), all = count / size();
    return formatted("train() told its observer of %zu steps, not of %zu", told, all) +
           (told < all ? " (a smaller mini-batch at an epoch's end counts, too)" : "");
}

Fault Answers::same_on_all(const std::string& name, std::size_t count) const {
    for (std::size_t r = 0; r < ranks(); ++r) {
        if (Fault fault = given(r, name, count); !fault.empty()) return fault;
        if (!std::ranges::equal(of(r, name), of(0, name)))
            return formatted("rank %zu has another result than rank 0", r);
    }
    return "";
}

Fault Answers::calls(const std::string& name, std::size_t steps, std::size_t epochs,
                     const SampleSet& set) const {
    for (std::size_t r = 0; r < ranks(); ++r) {
        if (Fault fault = given(r, name + "-calls", 2); !fault.empty()) return fault;
        if (ranks() > 1 && of(r, name + "-calls")[0] < static_cast<double>(steps * size()))
            return "the gradients are not summed by MPI_Allreduce in every step";
    }
    const std::size_t bytes = set.input_bytes().size() + set.target_bytes().size();
    if (of(0, name + "-calls")[1] < static_cast<double>(bytes * epochs))
        return "rank 0 does not send the samples by MPI_Scatterv";
    return "";
}

std::vector<std::uint32_t> all_of(const SampleSet& set) {
    std::vector<std::uint32_t> samples(set.count());
    std::iota(samples.begin(), samples.end(), 0u);
    return samples;
}

Fault compare_step(NeuralNetwork& reference, const GradedCase& asked, const SampleSet& set,
                   std::span<const std::uint32_t> samples, const Update& update,
                   std::span<const double> found) {
    const Matrix y = target_columns(set, samples);
    reference.forward(input_columns(set, samples, asked.training.pixel_scale));
    reference.backward(y, 0);
    const std::vector<double> bounds = rounding_of_step(reference, y, update);
    reference.update(update);
    Parameters<nn_real> values(asked.layout);
    std::ranges::transform(found, values.values.begin(),
                           [](double x) { return static_cast<nn_real>(x); });
    const auto differences = compare(values, reference.parameters());
    std::ranges::copy(found, reference.parameters().values.begin());
    Fault fault;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        const Fault one = off_by(differences[i].name, differences[i].norm, bounds[i]);
        if (!one.empty()) fault += (fault.empty() ? "" : "; ") + one;
    }
    return fault;
}
