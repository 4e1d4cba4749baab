// neural_network.cpp: the serial reference, to be read beside the formulas, then the trainer: its
// four verbs, and the loop over epochs and mini-batches.
//
// The reference uses no trick and no special hardware: double precision, plain loops, one thread.
#include "neural_network.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/timeline.h"
#include "train/agree.h"
#include "train/order.h"
#include "train/schedule.h"

// ------------------------------------------------------------------ the reference

namespace {

/// A B. It sums columns of A, four at a time; compilers turn this into vector code.
Matrix multiply(const Matrix& a, const Matrix& b) {
    Matrix c(a.rows, b.cols);
    for (int j = 0; j < b.cols; ++j) {
        double* __restrict out = &c(0, j);
        int k = 0;
        for (; k + 4 <= a.cols; k += 4) {
            const double *a0 = &a.values[static_cast<std::size_t>(k) * a.rows], *a1 = a0 + a.rows,
                         *a2 = a1 + a.rows, *a3 = a2 + a.rows;
            const double b0 = b(k, j), b1 = b(k + 1, j), b2 = b(k + 2, j), b3 = b(k + 3, j);
            for (int i = 0; i < a.rows; ++i)
                out[i] += a0[i] * b0 + a1[i] * b1 + a2[i] * b2 + a3[i] * b3;
        }
        for (; k < a.cols; ++k)
            for (int i = 0; i < a.rows; ++i) out[i] += a(i, k) * b(k, j);
    }
    return c;
}

Matrix transpose(const Matrix& a) {
    Matrix t(a.cols, a.rows);
    for (int j = 0; j < a.cols; ++j)
        for (int i = 0; i < a.rows; ++i) t(j, i) = a(i, j);
    return t;
}

Matrix weight_matrix(const Parameters<double>& parameters, int l) {
    Matrix w(parameters.layout.size(l), parameters.layout.size(l - 1));
    std::ranges::copy(parameters.weights(l), w.values.begin());
    return w;
}

double sigmoid(double z) { return 1.0 / (1.0 + std::exp(-z)); }

/// log(1 + exp z), without overflow in exp. -log sigmoid(z) is softplus(-z), and
/// -log(1 - sigmoid(z)) is softplus(z).
double softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }

/// log sum_i exp z_ij, with the maximum taken out so that exp cannot overflow.
double log_sum_exp(const Matrix& z, int j) {
    double largest = z(0, j), sum = 0;
    for (int i = 1; i < z.rows; ++i) largest = std::max(largest, z(i, j));
    for (int i = 0; i < z.rows; ++i) sum += std::exp(z(i, j) - largest);
    return largest + std::log(sum);
}

}  // namespace

Matrix NeuralNetwork::rounded(Matrix operand, double scale) const {
    if (!is_small(precision_)) return operand;
    for (double& value : operand.values) value = nearest(precision_, scale * value) / scale;
    return operand;
}

const Matrix& NeuralNetwork::forward(const Matrix& x) {
    const Layout& layout = parameters_.layout;
    const bool softmax = objective_.output == OutputLayer::softmax;
    activations_.assign(1, rounded(x));
    sums_.clear();
    for (int l = 1; l <= layout.layers(); ++l) {
        Matrix z = multiply(rounded(weight_matrix(parameters_, l)), activations_.back());
        const auto bias = parameters_.bias(l);
        for (int j = 0; j < z.cols; ++j)
            for (int i = 0; i < z.rows; ++i) z(i, j) += bias[static_cast<std::size_t>(i)];
        Matrix a = z;
        if (l < layout.layers()) {
            std::visit(
                [&](auto f) {
                    for (double& value : a.values) value = f.reference(value);
                },
                activation_);
        } else {
            for (int j = 0; j < z.cols; ++j) {
                const double log_sum = log_sum_exp(z, j);
                for (int i = 0; i < z.rows; ++i)
                    a(i, j) = softmax ? std::exp(z(i, j) - log_sum) : sigmoid(z(i, j));
            }
        }
        sums_.push_back(std::move(z));
        if (l < layout.layers()) a = rounded(std::move(a));
        activations_.push_back(std::move(a));
    }
    return activations_.back();
}

double NeuralNetwork::loss(const Matrix& y, double reg) const {
    const Matrix &z = sums_.back(), &yhat = activations_.back();
    const double k = z.rows;
    double data = 0, squares = 0;
    for (int j = 0; j < z.cols; ++j) {
        const double log_sum = log_sum_exp(z, j);
        for (int c = 0; c < z.rows; ++c) {
            if (objective_.loss == LossFunction::mse)
                data += (yhat(c, j) - y(c, j)) * (yhat(c, j) - y(c, j)) / k;
            else if (objective_.output == OutputLayer::softmax)
                data += y(c, j) * (log_sum - z(c, j));
            else
                data += (y(c, j) * softplus(-z(c, j)) + (1 - y(c, j)) * softplus(z(c, j))) / k;
        }
    }
    for (int l = 1; l <= parameters_.layout.layers(); ++l)
        for (double w : parameters_.weights(l)) squares += w * w;
    return data / z.cols + reg / 2 * squares;
}

Matrix NeuralNetwork::output_delta(const Matrix& y) const {
    const Matrix& yhat = activations_.back();
    const bool softmax = objective_.output == OutputLayer::softmax;
    const double k = yhat.rows;
    Matrix delta(yhat.rows, yhat.cols);
    for (int j = 0; j < yhat.cols; ++j) {
        double sum_of_y = 0, mean_e = 0;  // mean_e: of e, weighted by yhat
        for (int c = 0; c < yhat.rows; ++c) {
            sum_of_y += y(c, j);
            mean_e += (yhat(c, j) - y(c, j)) * yhat(c, j);
        }
        for (int c = 0; c < yhat.rows; ++c) {
            const double p = yhat(c, j), e = p - y(c, j);
            if (objective_.loss == LossFunction::mse)
                delta(c, j) = 2 / k * p * (softmax ? e - mean_e : e * (1 - p));
            else
                delta(c, j) = softmax ? sum_of_y * p - y(c, j) : e / k;
        }
    }
    return delta;
}

const Parameters<double>& NeuralNetwork::backward(const Matrix& y, double reg) {
    const Layout& layout = parameters_.layout;
    Matrix delta = output_delta(y);
    for (double& value : delta.values) value /= delta.cols;
    deltas_.resize(static_cast<std::size_t>(layout.layers()));
    whole_.resize(deltas_.size());
    for (int l = layout.layers(); l >= 1; --l) {
        whole_[static_cast<std::size_t>(l) - 1] = delta;
        delta = rounded(std::move(delta), loss_scale_);
        const Matrix& below = activations_[static_cast<std::size_t>(l) - 1];
        const Matrix dw = multiply(delta, transpose(below));
        const auto w = parameters_.weights(l);
        auto gradient = gradient_.weights(l);
        for (std::size_t i = 0; i < w.size(); ++i) gradient[i] = dw.values[i] + reg * w[i];
        auto db = gradient_.bias(l);
        std::ranges::fill(db, 0.0);
        for (int j = 0; j < delta.cols; ++j)
            for (int i = 0; i < delta.rows; ++i) db[static_cast<std::size_t>(i)] += delta(i, j);
        deltas_[static_cast<std::size_t>(l) - 1] = delta;
        if (l == 1) break;
        delta = multiply(transpose(rounded(weight_matrix(parameters_, l))), delta);
        std::visit(
            [&](auto f) {
                for (std::size_t i = 0; i < delta.values.size(); ++i)
                    delta.values[i] *= f.reference_slope(below.values[i]);
            },
            activation_);
    }
    return gradient_;
}

void NeuralNetwork::update(const Update& update) {
    ReferenceNumbers numbers = update.reference_numbers();
    if (moments_.empty()) begin_moments(update.rule);
    const auto change = [&](const auto& rule, std::size_t first, std::size_t count) {
        double moments[2] = {};
        for (std::size_t i = first; i < first + count; ++i) {
            for (std::size_t m = 0; m < moments_.size(); ++m) moments[m] = moments_[m].values[i];
            parameters_.values[i] =
                rule.reference(parameters_.values[i], gradient_.values[i], moments, numbers);
            for (std::size_t m = 0; m < moments_.size(); ++m) moments_[m].values[i] = moments[m];
        }
    };
    std::visit(
        [&](const auto& rule) {
            const Layout& layout = parameters_.layout;
            for (int l = 1; l <= layout.layers(); ++l) {
                numbers.reg = static_cast<double>(update.reg);
                change(rule, layout.weight_offset(l), layout.weights(l));
                numbers.reg = 0;
                change(rule, layout.bias_offset(l), elements(layout.size(l), 1));
            }
        },
        update.rule);
}

void NeuralNetwork::train(const SampleSet& set, const Training& training) {
    const Schedule schedule(training, set.count());
    const auto batch = static_cast<std::size_t>(training.batch);
    LossScale loss_scale(training.loss_scaling, {});
    for (int epoch = 0; epoch < training.end(); ++epoch) {
        const std::vector<std::uint32_t> order = sample_order(set.count(), epoch, training);
        for (int step = 0; step < schedule.steps_in_epoch(); ++step) {
            const std::size_t first = static_cast<std::size_t>(step) * batch;
            const std::span samples(&order[first], std::min(batch, order.size() - first));
            forward(input_columns(set, samples, training.pixel_scale));
            set_loss_scale(loss_scale.value());
            backward(target_columns(set, samples), training.penalty());
            const auto is_finite = [](double value) { return std::isfinite(value); };
            if (loss_scale.takes(std::ranges::all_of(gradient_.values, is_finite)))
                update(schedule.update(epoch, step));
        }
    }
}

namespace {

std::vector<int> classes_of(const Matrix& columns) {
    std::vector<int> classes;
    classes.reserve(static_cast<std::size_t>(columns.cols));
    for (int j = 0; j < columns.cols; ++j)
        classes.push_back(class_of(
            &columns.values[static_cast<std::size_t>(j) * static_cast<std::size_t>(columns.rows)],
            columns.rows));
    return classes;
}

}  // namespace

std::vector<int> NeuralNetwork::predict(const Matrix& x) { return classes_of(forward(x)); }

double NeuralNetwork::accuracy(const SampleSet& set, nn_real pixel_scale) {
    constexpr std::size_t at_once = 1000;  // so that the activations of a large set fit into memory
    std::vector<std::uint32_t> samples(set.count());
    std::iota(samples.begin(), samples.end(), 0u);
    std::size_t correct = 0;
    for (std::size_t first = 0; first < samples.size(); first += at_once) {
        const auto some =
            std::span(samples).subspan(first, std::min(at_once, samples.size() - first));
        const std::vector<int> predicted = predict(input_columns(set, some, pixel_scale));
        const std::vector<int> true_class = classes_of(target_columns(set, some));
        for (std::size_t j = 0; j < some.size(); ++j) correct += predicted[j] == true_class[j];
    }
    return static_cast<double>(correct) / static_cast<double>(set.count());
}

// ------------------------------------------------------------------ the trainer

DataParallelNeuralNetwork::DataParallelNeuralNetwork(const Comm& comm,
                                                     std::unique_ptr<Replica> replica,
                                                     Parameters<nn_real> initial,
                                                     Techniques techniques)
    : comm_(comm),
      replica_(std::move(replica)),
      layout_(initial.layout),
      techniques_(std::move(techniques)) {
    if (techniques_.fixed_order.is_taken)
        fixed_order_ = std::make_unique<FixedOrder>(comm_, *replica_, techniques_.fixed_order);
    restart(std::move(initial));
}

// ---- the four verbs

void DataParallelNeuralNetwork::load(const Batch& batch) {
    const Traced traced("load");
    batch_ = batch;
    feed_->load(batch);
}

void DataParallelNeuralNetwork::load(const Batch& batch, const Range& shard) {
    const Span span(Work::data);
    const Traced traced("load");
    batch_ = {batch.first + static_cast<std::size_t>(shard.first), shard.count, batch.of};
    replica_->samples().select(Role::train, batch.first, {shard.first, shard.count, batch.count});
}

// solution: verbs
void DataParallelNeuralNetwork::forward(nn_real weight) {
    const Span span(Work::compute);
    const Traced traced("forward");
    unreported_ += static_cast<std::size_t>(batch_.count);
    if (fixed_order_) unreported_loads_.push_back(batch_);
    weight *= static_cast<nn_real>(loss_scale_.value());
    replica_->forward(weight / static_cast<nn_real>(batch_.of), Want::gradient);
}

void DataParallelNeuralNetwork::backward(Slice slice) {
    const bool is_whole = slice.is_first && slice.is_last;
    const bool is_alone = !techniques_.reducer && !techniques_.fixed_order.across;
    if (is_alone && is_whole && !loss_scale_.is_on()) return;  // update() does both, in one pass
    const Span span(Work::compute);
    const Traced traced("backward");
    if (fixed_order_) return fixed_order_->add(batch_, slice);
    replica_->backward([&](int part) {
        const Lent lent = replica_->lend(part);
        slices_.take(lent, slice);
        if (!slice.is_last) return;
        if (techniques_.reducer) {
            techniques_.reducer->start(lent);
        } else {
            if (lent.ready != nullptr) lent.ready->wait();  // update() reads it
            own_sums_.push_back({lent.first, lent.values.size(), lent.values.data(), lent.memory});
        }
    });
}

void DataParallelNeuralNetwork::update(const Update& update) {
    const Span span(Work::compute);
    const Traced traced("update");
    ++updates_;
    if (loss_scale_.is_on()) {
        update_unscaled(update);
    } else if (fixed_order_ && fixed_order_->has_sum()) {
        replica_->update(update, fixed_order_->sum());
    } else if (techniques_.reducer) {
        for (std::size_t part = 0; part < replica_->parts().size(); ++part)
            replica_->update(update, techniques_.reducer->finish());
    } else if (own_sums_.empty()) {
        replica_->backward_and_update(update);
    } else {
        for (const Sum& sum : std::exchange(own_sums_, {})) replica_->update(update, sum);
    }
}  // end of solution

// ---- the loop over epochs and mini-batches

TrainingState DataParallelNeuralNetwork::train(const SampleSet& set_on_root,
                                               const Training& training, TrainingObserver* observer,
                                               TrainingState from) {
    // solution: train
    if (moments_of(training.rule) > replica_->shape().moments)
        throw std::logic_error("the network's replicas have no room for the rule's moments");
    const std::size_t count = comm_.from_root(set_on_root.count());
    feed(set_on_root);
    techniques_.strategy->begin(*this);
    TrainingState state = from;
    loss_scale_ = LossScale(training.loss_scaling, from.loss_scale);
    compared_ = false;
    while (state.epoch < training.end() && (observer == nullptr || !observer->is_done())) {
        if (!train_epoch(count, training, observer, state)) {
            compare_copies("after " + progress_text(state.epoch, state.step));
            return state;
        }
        // The penalty is not finite if any weight is not, even one that no sample has used because
        // its input is always 0, and even if reg is 0.
        const double loss = state.loss / static_cast<double>(count) + penalty(training.penalty());
        const std::string epoch = std::to_string(state.epoch + 1);
        if (!comm_.all(std::isfinite(loss)))
            throw Diverged("training diverged: the loss of epoch " + epoch +
                           " is not finite; use a smaller learning rate (-l)");
        compare_copies("after epoch " + epoch);
        state = {state.epoch + 1, 0, 0};
        if (observer == nullptr) continue;
        observer->on_epoch(state.epoch - 1, loss);
        if (observer->may_stop() && observer->stops()) break;
    }
    return state;
}  // end of solution

void DataParallelNeuralNetwork::compare_copies(const std::string& when) {
    if (!has_copies()) return;
    check_ranks_agree(comm_, layout_, parameters().values, when);
    compared_ = true;
}

/// Trains the rest of an epoch; returns false if the observer stopped it before its end.
bool DataParallelNeuralNetwork::train_epoch(std::size_t count, const Training& training,
                                            TrainingObserver* observer, TrainingState& state) {
    // solution: epoch
    const auto batch = static_cast<std::size_t>(training.batch);
    const Schedule schedule(training, count);
    const int steps = schedule.steps_in_epoch();
    const int report_every = observer == nullptr ? 0 : observer->steps_between_reports();
    const bool may_stop = observer != nullptr && observer->may_stop();
    feed_->begin(sample_order(count, state.epoch, training),
                 techniques_.strategy->slice_of(training.batch));
    if (state.step == 0 && report_every == 0 && !may_stop && !timeline::is_on() &&
        run_epoch(count, training, state.epoch)) {
        state.loss = take_loss(state.loss);
        return true;
    }
    for (; state.step < steps; ++state.step) {
        timeline::step_begins();
        const Traced traced("step", state.step);
        const std::size_t first = static_cast<std::size_t>(state.step) * batch;
        const bool reports = report_every > 0 && (state.step + 1) % report_every == 0;
        const double penalty_before =
            reports && training.penalty() != 0 ? penalty(training.penalty()) : 0;
        const Update update = schedule.update(state.epoch, state.step);
        techniques_.strategy->step(*this, {first, static_cast<int>(std::min(batch, count - first))},
                                   update);
        if (reports) {
            const double samples = unreported();
            const double sum = take_loss();
            observer->on_step(state.epoch, state.step + 1, steps, sum / samples + penalty_before);
            state.loss += sum;
        }
        const bool may_stop_here = may_stop && techniques_.strategy->is_settled();
        if (may_stop_here && state.step + 1 < steps && observer->stops()) {
            feed_->end();
            ++state.step;
            state.loss = take_loss(state.loss);
            return false;
        }
    }
    techniques_.strategy->settle(*this);
    state.loss = take_loss(state.loss);
    return true;
}  // end of solution

/// Trains a whole epoch in one submission to the device, with the same bits. Returns false, and
/// does nothing, if that is not possible.
bool DataParallelNeuralNetwork::run_epoch(std::size_t count, const Training& training, int epoch) {
    const Schedule schedule(training, count);
    if (has_copies() || feed_->kind() != FeedKind::resident || !techniques_.strategy->is_plain() ||
        loss_scale_.is_on() || !schedule.is_constant_in(epoch))
        return false;
    const Span span(Work::compute);
    const auto batch = std::min(static_cast<std::size_t>(training.batch), count);
    return replica_->run({count, static_cast<int>(batch), schedule.update(epoch, 0)});
}

// ---- what is asked of it

Feed& DataParallelNeuralNetwork::feed(const SampleSet& set_on_root) {
    check_format(set_on_root);
    if (feed_) feed_->end();
    take_loss();  // losses from before do not count
    feed_ =
        make_feed(techniques_.feed,
                  {comm_, *replica_, Role::train, techniques_.fixed_order.dealing()}, set_on_root);
    return *feed_;
}

void DataParallelNeuralNetwork::check_format(const SampleSet& set_on_root,
                                             bool with_targets) const {
    const SampleFormat& taken = replica_->shape().format;
    SampleFormat found = set_on_root.format;
    if (!with_targets) found = {found.number_inputs, taken.number_targets};
    const bool fits = found == taken;
    if (!comm_.from_root(fits))
        throw std::logic_error("the set has another SampleFormat than the network's replicas");
}

// solution: loss
double DataParallelNeuralNetwork::loss(double reg) {
    const double samples = unreported();
    return take_loss() / samples + penalty(reg);
}

double DataParallelNeuralNetwork::take_loss(double so_far) {
    unreported_ = 0;
    return take_loss(std::exchange(unreported_loads_, {}), techniques_.fixed_order.dealing(),
                     so_far);
}

double DataParallelNeuralNetwork::take_loss(std::span<const Batch> loads, const Dealing& dealing,
                                            double so_far) {
    const Span span(Work::compute);
    if (fixed_order_) {
        const std::vector<double> mine = replica_->leaf_sums()->take_losses();
        const Span sum(Work::communication);
        return sum_of_losses(comm_, mine, loads, dealing, so_far);
    }
    const double mine = replica_->take_loss();
    const Span sum(Work::communication);
    return so_far + comm_.sum(mine);
}  // end of solution

double DataParallelNeuralNetwork::penalty(double reg) {
    const Span span(Work::compute);
    return reg / 2 * replica_->weights_squared();
}
