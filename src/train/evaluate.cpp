// evaluate.cpp: sends as many samples forward at once as all replicas take. Rank 0, which has the
// targets, counts.
#include "train/evaluate.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/clock.h"
#include "base/range.h"

namespace {

int samples_at_once(DataParallelNeuralNetwork& network) {
    const ReplicaShape& shape = network.replica().shape();
    const auto ranks = static_cast<std::size_t>(network.comm().size());
    const std::size_t most = std::min<std::size_t>(
        most_samples_in_message(shape.layout, shape.format),
        std::min<std::size_t>(static_cast<std::size_t>(shape.capacity) * ranks,
                              std::numeric_limits<int>::max()));
    return static_cast<int>(std::max<std::size_t>(most, 1));
}

/// The class of sample j's target. A label first becomes a y as in the reference, so that
/// class_of() also decides if there is only one class.
int target_class(const SampleSet& set, std::size_t j, std::vector<nn_real>& y) {
    const auto height = static_cast<std::size_t>(set.classes);
    if (set.format.number_targets) return class_of(&set.targets[j * height], set.classes);
    std::ranges::fill(y, nn_real{0});
    y[set.labels[j]] = 1;
    return class_of(y.data(), set.classes);
}

}  // namespace

Evaluator::Evaluator(DataParallelNeuralNetwork& network, const SampleSet& set_on_root,
                     FeedKind feed, Role role)
    : network_(network),
      set_(set_on_root),
      count_(network.comm().from_root(set_on_root.count())),
      at_once_(samples_at_once(network)) {
    const Span span(Work::evaluation);
    network_.check_format(set_, false);
    feed_ = make_feed(feed, {network.comm(), network.replica(), role}, set_);
}

Evaluation Evaluator::evaluate() {
    const Span span(Work::evaluation);
    network_.check_format(set_);
    const Comm& comm = network_.comm();
    Evaluation result;
    result.yhat = forward(Want::losses);
    const auto count = static_cast<double>(count_);
    result.loss = network_.take_loss(loads(), {}) / count;
    result.accuracy = comm.from_root(comm.is_root() ? correct(result.yhat) / count : 0);
    return result;
}

/// The set, as it goes forward.
std::vector<Batch> Evaluator::loads() const {
    std::vector<Batch> all;
    const auto most = static_cast<std::size_t>(at_once_);
    for (std::size_t first = 0; first < count_; first += most)
        all.push_back(
            {first, static_cast<int>(std::min(most, count_ - first)), static_cast<int>(count_)});
    return all;
}

std::vector<nn_real> Evaluator::outputs() {
    const Span span(Work::evaluation);
    return forward(Want::outputs);
}

std::vector<nn_real> Evaluator::forward(Want want) {
    const Comm& comm = network_.comm();
    Replica& replica = network_.replica();
    const auto height = static_cast<std::size_t>(network_.layout().classes());
    std::vector<std::uint32_t> order(count_);
    std::iota(order.begin(), order.end(), 0u);
    feed_->begin(order, at_once_);
    std::vector<nn_real> all(comm.is_root() ? count_ * height : 0);
    for (const Batch& load : loads()) {
        feed_->load(load);
        replica.forward(1, want);
        const Range mine = shard_of(load.count, comm.rank(), comm.size());
        std::vector<nn_real> yhat(static_cast<std::size_t>(mine.count) * height);
        replica.outputs(yhat);
        comm.gather(yhat, comm.is_root() ? std::span(all).subspan(load.first * height)
                                         : std::span<nn_real>());
    }
    return all;
}

/// The number of samples whose predicted class is the true one.
double Evaluator::correct(const std::vector<nn_real>& yhat) const {
    const auto height = static_cast<std::size_t>(set_.classes);
    std::vector<nn_real> y(height);
    std::size_t right = 0;
    for (std::size_t j = 0; j < count_; ++j)
        right += class_of(&yhat[j * height], set_.classes) == target_class(set_, j, y);
    return static_cast<double>(right);
}
