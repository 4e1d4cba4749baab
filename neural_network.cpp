// neural_network.cpp: the serial reference, then the trainer above Replica and MPI.
#include "neural_network.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/random.h"

// ------------------------------------------------------------------ what both agree on

nn_real Training::rate_of(int epoch) const {
    return static_cast<nn_real>(rate * std::pow(decay, epoch));
}

std::vector<std::uint32_t> sample_order(std::size_t count, int epoch, const Training& training) {
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    if (training.shuffled) {
        Rng rng(training.seed, static_cast<std::uint64_t>(epoch) + 1);
        shuffle(order, rng);
    }
    return order;
}

// ------------------------------------------------------------------ the reference

namespace {

/// A B. Columns of A are added up, four at a time, which compilers turn into vector code.
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

/// log(1 + exp z), where exp must not overflow. -log sigmoid(z) is softplus(-z), and
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

const Matrix& NeuralNetwork::forward(const Matrix& x) {
    const Layout& layout = parameters_.layout;
    const bool softmax = objective_.output == OutputLayer::softmax;
    activations_.assign(1, x);
    for (int l = 1; l <= layout.layers(); ++l) {
        Matrix z = multiply(weight_matrix(parameters_, l), activations_.back());
        const auto bias = parameters_.bias(l);
        for (int j = 0; j < z.cols; ++j)
            for (int i = 0; i < z.rows; ++i) z(i, j) += bias[static_cast<std::size_t>(i)];
        Matrix a = z;
        if (l < layout.layers()) {
            for (double& value : a.values) value = sigmoid(value);
        } else {
            for (int j = 0; j < z.cols; ++j) {
                const double log_sum = log_sum_exp(z, j);
                for (int i = 0; i < z.rows; ++i)
                    a(i, j) = softmax ? std::exp(z(i, j) - log_sum) : sigmoid(z(i, j));
            }
            logits_ = std::move(z);
        }
        activations_.push_back(std::move(a));
    }
    return activations_.back();
}

double NeuralNetwork::loss(const Matrix& y, double reg) const {
    const Matrix &z = logits_, &yhat = activations_.back();
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

    for (int l = layout.layers(); l >= 1; --l) {
        const Matrix& below = activations_[static_cast<std::size_t>(l) - 1];
        const Matrix dw = multiply(delta, transpose(below));
        const auto w = parameters_.weights(l);
        auto gradient = gradient_.weights(l);
        for (std::size_t i = 0; i < w.size(); ++i) gradient[i] = dw.values[i] + reg * w[i];
        auto db = gradient_.bias(l);
        std::ranges::fill(db, 0.0);
        for (int j = 0; j < delta.cols; ++j)
            for (int i = 0; i < delta.rows; ++i) db[static_cast<std::size_t>(i)] += delta(i, j);
        if (l == 1) break;
        delta = multiply(transpose(weight_matrix(parameters_, l)), delta);
        for (std::size_t i = 0; i < delta.values.size(); ++i)
            delta.values[i] *= below.values[i] * (1.0 - below.values[i]);
    }
    return gradient_;
}

void NeuralNetwork::step(double rate) {
    for (std::size_t i = 0; i < parameters_.values.size(); ++i)
        parameters_.values[i] -= rate * gradient_.values[i];
}

Matrix input_columns(const Dataset& set, std::span<const std::uint32_t> samples,
                     nn_real pixel_scale) {
    const std::size_t d = set.features();
    Matrix x(static_cast<int>(d), static_cast<int>(samples.size()));
    for (std::size_t j = 0; j < samples.size(); ++j)
        for (std::size_t i = 0; i < d; ++i)
            x.values[j * d + i] =
                set.format.number_inputs
                    ? static_cast<double>(set.inputs[samples[j] * d + i])
                    : set.pixels[samples[j] * d + i] * static_cast<double>(pixel_scale);
    return x;
}

Matrix target_columns(const Dataset& set, std::span<const std::uint32_t> samples) {
    Matrix y(set.classes, static_cast<int>(samples.size()));
    for (int j = 0; j < y.cols; ++j) {
        const std::size_t sample = samples[static_cast<std::size_t>(j)];
        if (set.format.number_targets)
            for (int c = 0; c < y.rows; ++c)
                y(c, j) = set.targets[sample * static_cast<std::size_t>(y.rows) +
                                      static_cast<std::size_t>(c)];
        else
            y(set.labels[sample], j) = 1;
    }
    return y;
}

void NeuralNetwork::train(const Dataset& set, const Training& training) {
    for (int epoch = 0; epoch < training.epochs; ++epoch) {
        const std::vector<std::uint32_t> order = sample_order(set.count(), epoch, training);
        const auto batch = static_cast<std::size_t>(training.batch);
        for (std::size_t first = 0; first < order.size(); first += batch) {
            const std::span samples(&order[first], std::min(batch, order.size() - first));
            forward(input_columns(set, samples, training.pixel_scale));
            backward(target_columns(set, samples), training.reg);
            step(static_cast<double>(training.rate_of(epoch)));
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

double NeuralNetwork::accuracy(const Dataset& set, nn_real pixel_scale) {
    constexpr std::size_t at_once = 1000;  // so that the activations of a large set fit memory
    std::vector<std::uint32_t> samples(set.count());
    std::iota(samples.begin(), samples.end(), 0u);
    std::size_t correct = 0;
    for (std::size_t first = 0; first < samples.size(); first += at_once) {
        const auto some =
            std::span(samples).subspan(first, std::min(at_once, samples.size() - first));
        const std::vector<int> seen = predict(input_columns(set, some, pixel_scale));
        const std::vector<int> truth = classes_of(target_columns(set, some));
        for (std::size_t j = 0; j < some.size(); ++j) correct += seen[j] == truth[j];
    }
    return static_cast<double>(correct) / static_cast<double>(set.count());
}

// ------------------------------------------------------------------ the trainer

namespace {

/// Adds the seconds until the end of its scope to one entry of a TimeSplit.
class Stopwatch {
  public:
    explicit Stopwatch(double& seconds) : seconds_(seconds), start_(Clock::now()) {}
    ~Stopwatch() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

  private:
    using Clock = std::chrono::steady_clock;
    double& seconds_;
    Clock::time_point start_;
};

}  // namespace

DataParallelNeuralNetwork::DataParallelNeuralNetwork(const Comm& comm,
                                                     std::unique_ptr<Replica> replica,
                                                     Parameters<nn_real> initial,
                                                     int slice_capacity, SharedParameters* shared)
    : comm_(comm),
      replica_(std::move(replica)),
      layout_(initial.layout),
      format_(replica_->shape().format),
      slice_capacity_(slice_capacity),
      shared_(shared) {
    comm_.broadcast(initial.values);
    if (shared_ == nullptr || comm_.is_root()) replica_->set_parameters(initial.values);
    if (shared_ != nullptr) shared_->barrier();
}

void DataParallelNeuralNetwork::check_format(const Dataset& set_on_root, bool with_targets) const {
    SampleFormat found = set_on_root.format;
    if (!with_targets)
        found = {.number_inputs = found.number_inputs, .number_targets = format_.number_targets};
    if (comm_.from_root(found == format_) == 0)
        throw std::logic_error("the set has another SampleFormat than the network's replicas");
}

void DataParallelNeuralNetwork::load(const Dataset& set_on_root,
                                     std::span<const std::uint32_t> samples) {
    check_format(set_on_root);
    start_scatter(set_on_root, samples);
    finish_scatter();
    replica_->take_loss();  // loss() is of this mini-batch alone
}

void DataParallelNeuralNetwork::start_scatter(const Dataset& set_on_root,
                                              std::span<const std::uint32_t> samples) {
    const std::size_t input = format_.input_bytes(layout_.inputs());
    const std::size_t target = format_.target_bytes(layout_.classes());
    arriving_batch_ = static_cast<int>(samples.size());
    input_counts_.clear();
    target_counts_.clear();
    for (int r = 0; r < comm_.size(); ++r) {
        const auto n = static_cast<std::size_t>(slice_of(arriving_batch_, r, comm_.size()).count);
        input_counts_.push_back(static_cast<int>(n * input));
        target_counts_.push_back(static_cast<int>(n * target));
    }
    if (comm_.is_root()) {
        Stopwatch watch(times_.data);
        const auto inputs = set_on_root.input_bytes(), targets = set_on_root.target_bytes();
        batch_inputs_.resize(samples.size() * input);
        batch_targets_.assign(samples.size() * target, 0);  // stays so without targets
        for (std::size_t j = 0; j < samples.size(); ++j) {
            std::copy_n(&inputs[samples[j] * input], input, &batch_inputs_[j * input]);
            if (!targets.empty())
                std::copy_n(&targets[samples[j] * target], target, &batch_targets_[j * target]);
        }
    }
    arriving_ = replica_->stage(slice_of(arriving_batch_, comm_.rank(), comm_.size()).count);
    Stopwatch watch(times_.communication);
    input_scatter_.start(batch_inputs_, input_counts_, arriving_.inputs);
    target_scatter_.start(batch_targets_, target_counts_, arriving_.targets);
}

void DataParallelNeuralNetwork::finish_scatter() {
    {
        Stopwatch watch(times_.communication);
        input_scatter_.finish();
        target_scatter_.finish();
    }
    Stopwatch watch(times_.data);
    batch_ = arriving_batch_;
    replica_->load();
}

void DataParallelNeuralNetwork::pick_batch(std::size_t first, std::size_t count) {
    Stopwatch watch(times_.data);
    batch_ = static_cast<int>(count);
    const Slice mine = slice_of(batch_, comm_.rank(), comm_.size());
    replica_->pick(first + static_cast<std::size_t>(mine.first), mine.count);
}

void DataParallelNeuralNetwork::forward() {
    Stopwatch watch(times_.compute);
    replica_->forward(batch_);
}

double DataParallelNeuralNetwork::penalty(double reg) {
    Stopwatch watch(times_.compute);
    return reg == 0 ? 0 : reg / 2 * replica_->weights_squared();
}

double DataParallelNeuralNetwork::take_loss() {
    double mine = 0;
    {
        Stopwatch watch(times_.compute);
        mine = replica_->take_loss();
    }
    Stopwatch watch(times_.communication);
    return comm_.sum(mine);
}

double DataParallelNeuralNetwork::loss(double reg) { return take_loss() / batch_ + penalty(reg); }

void DataParallelNeuralNetwork::backward() {
    {
        Stopwatch watch(times_.compute);
        replica_->backward();
    }
    // One rank: the sum is what the replica already has. Shared memory: step() adds them up.
    if (comm_.size() == 1 || shared_ != nullptr) return;
    for (int part = 0; part < replica_->gradient_parts(); ++part) {
        const std::span<nn_real> values = complete_gradient(part);
        // A device computes the next part meanwhile. MPI_Iallreduce would hide no more: without a
        // thread of its own MPI gets on with a sum only while it is called.
        Stopwatch watch(times_.communication);
        comm_.sum(values.data(), values.size());
    }
}

std::span<nn_real> DataParallelNeuralNetwork::complete_gradient(int part) {
    Stopwatch watch(times_.compute);
    return replica_->gradient(part).values;
}

void DataParallelNeuralNetwork::step(nn_real rate, double reg) {
    if (shared_ != nullptr) return step_shared(rate, static_cast<nn_real>(reg));
    Stopwatch watch(times_.compute);
    replica_->step(rate, static_cast<nn_real>(reg));
}

void DataParallelNeuralNetwork::step_shared(nn_real rate, nn_real reg) {
    const auto wait_for_all = [&] {
        Stopwatch watch(times_.communication);
        shared_->barrier();
    };
    wait_for_all();  // until every gradient is complete
    {
        Stopwatch watch(times_.compute);
        const auto rank = static_cast<std::size_t>(comm_.rank());
        const auto ranks = static_cast<std::size_t>(comm_.size());
        const std::size_t first = layout_.total() * rank / ranks;
        const std::size_t last = layout_.total() * (rank + 1) / ranks;
        replica_->step_part(rate, reg, shared_->gradients(), first, last - first);
    }
    wait_for_all();  // until every part is updated, and no gradient needed any more
}

void DataParallelNeuralNetwork::keep_everywhere(const Dataset& set_on_root, std::size_t count) {
    if (comm_.size() == 1) {
        Stopwatch watch(times_.data);
        resident_ = replica_->keep(set_on_root.input_bytes(), set_on_root.target_bytes());
        return;
    }
    std::vector<std::uint8_t> inputs(count * format_.input_bytes(layout_.inputs()));
    std::vector<std::uint8_t> targets(count * format_.target_bytes(layout_.classes()));
    if (comm_.is_root()) {
        std::ranges::copy(set_on_root.input_bytes(), inputs.begin());
        std::ranges::copy(set_on_root.target_bytes(), targets.begin());
    }
    {
        Stopwatch watch(times_.communication);
        comm_.broadcast(inputs);
        comm_.broadcast(targets);
    }
    Stopwatch watch(times_.data);
    resident_ = comm_.all(replica_->keep(inputs, targets));
    if (!resident_) replica_->keep({}, {});  // where one has no room, none keeps a copy
}

TrainingState DataParallelNeuralNetwork::train(const Dataset& set_on_root, const Training& training,
                                               TrainingObserver* observer, TrainingState from) {
    check_format(set_on_root);
    const std::size_t count = comm_.from_root(set_on_root.count());
    resident_ = false;
    if (training.scatter_once) keep_everywhere(set_on_root, count);
    replica_->take_loss();  // nothing from before counts
    TrainingState state = from;
    while (state.epoch < training.epochs) {
        if (!train_epoch(set_on_root, count, training, observer, state)) return state;
        const double loss = state.loss / static_cast<double>(count) + penalty(training.reg);
        if (!comm_.all(std::isfinite(loss)))
            throw Diverged("training diverged: the loss of epoch " +
                           std::to_string(state.epoch + 1) +
                           " is not finite; use a smaller learning rate (-l)");
        state = {state.epoch + 1, 0, 0};
        if (observer == nullptr) continue;
        observer->on_epoch(state.epoch - 1, loss);
        if (observer->may_stop() && observer->stops()) break;
    }
    return state;
}

bool DataParallelNeuralNetwork::epoch_at_once(std::size_t count, int epoch,
                                              const Training& training) {
    Stopwatch watch(times_.compute);
    const auto batch = std::min(static_cast<std::size_t>(training.batch), count);
    return replica_->epoch(count, static_cast<int>(batch), training.rate_of(epoch),
                           static_cast<nn_real>(training.reg));
}

/// The rest of an epoch; false if the observer stopped it before its end.
bool DataParallelNeuralNetwork::train_epoch(const Dataset& set_on_root, std::size_t count,
                                            const Training& training, TrainingObserver* observer,
                                            TrainingState& state) {
    const auto batch = static_cast<std::size_t>(training.batch);
    const int steps = static_cast<int>((count + batch - 1) / batch);
    const std::vector<std::uint32_t> order = sample_order(count, state.epoch, training);
    if (resident_) replica_->set_order(order);
    const bool reports = observer != nullptr && training.print_every > 0;
    const bool may_stop = observer != nullptr && observer->may_stop();
    if (resident_ && comm_.size() == 1 && state.step == 0 && !reports && !may_stop &&
        epoch_at_once(count, state.epoch, training)) {
        state.loss = take_loss();
        return true;
    }
    std::size_t unreported = 0;  // samples whose loss no on_step() has told yet
    for (bool arriving = false; state.step < steps; ++state.step) {
        const std::size_t first = static_cast<std::size_t>(state.step) * batch;
        const auto samples = std::span(order).subspan(first, std::min(batch, count - first));
        if (resident_) {
            pick_batch(first, samples.size());
        } else {
            if (!arriving) start_scatter(set_on_root, samples);
            finish_scatter();
            // The next one is on its way while this one is computed: gathered here, sent as far as
            // MPI does it by itself, the rest when it is waited for.
            const std::size_t next = first + samples.size();
            arriving = next < count;
            if (arriving)
                start_scatter(set_on_root,
                              std::span(order).subspan(next, std::min(batch, count - next)));
        }
        forward();
        unreported += samples.size();
        if (reports && (state.step + 1) % training.print_every == 0) {
            const double sum = take_loss();
            observer->on_step(state.epoch, state.step + 1, steps,
                              sum / static_cast<double>(unreported) + penalty(training.reg));
            state.loss += sum;
            unreported = 0;
        }
        backward();
        step(training.rate_of(state.epoch), training.reg);
        if (may_stop && state.step + 1 < steps && observer->stops()) {
            if (arriving) finish_scatter();
            ++state.step;
            state.loss += take_loss();
            return false;
        }
    }
    state.loss += take_loss();
    return true;
}

std::size_t most_samples_in_message(const Layout& layout, const SampleFormat& format) {
    const std::size_t largest =
        std::max({format.input_bytes(layout.inputs()), format.target_bytes(layout.classes()),
                  static_cast<std::size_t>(layout.classes())});
    return std::numeric_limits<int>::max() / largest;
}

void DataParallelNeuralNetwork::forward_all(const Dataset& set_on_root,
                                            const std::function<void(std::size_t)>& use) {
    const std::size_t count = comm_.from_root(set_on_root.count());
    const std::size_t most = std::clamp<std::size_t>(
        most_samples_in_message(layout_, format_), 1,
        static_cast<std::size_t>(slice_capacity_) * static_cast<std::size_t>(comm_.size()));
    std::vector<std::uint32_t> samples(count);
    std::iota(samples.begin(), samples.end(), 0u);
    for (std::size_t first = 0; first < count; first += most) {
        start_scatter(set_on_root,
                      std::span(samples).subspan(first, std::min(most, count - first)));
        finish_scatter();
        forward();
        use(first);
    }
}

/// Of the slice that came from rank 0: how many are judged right. Columns are compared with what
/// the reference calls y, so that a label of one class alone is that class.
std::size_t DataParallelNeuralNetwork::correct_in_slice() {
    const int outputs = layout_.classes();
    const auto height = static_cast<std::size_t>(outputs);
    const auto n = static_cast<std::size_t>(slice_of(batch_, comm_.rank(), comm_.size()).count);
    std::vector<nn_real> yhat(n * height), y(height);
    replica_->get_probabilities(yhat);
    std::size_t correct = 0;
    for (std::size_t j = 0; j < n; ++j) {
        if (format_.number_targets) {
            std::memcpy(y.data(), &arriving_.targets[j * height * sizeof(nn_real)],
                        height * sizeof(nn_real));
        } else {
            std::ranges::fill(y, nn_real{0});
            y[arriving_.targets[j]] = 1;
        }
        correct += class_of(&yhat[j * height], outputs) == class_of(y.data(), outputs);
    }
    return correct;
}

Evaluation DataParallelNeuralNetwork::evaluate(const Dataset& set_on_root) {
    check_format(set_on_root);
    const TimeSplit before = times_;
    double seconds = 0;
    Evaluation result;
    {
        Stopwatch watch(seconds);
        const auto count = static_cast<double>(comm_.from_root(set_on_root.count()));
        double correct = 0;
        replica_->take_loss();
        forward_all(set_on_root,
                    [&](std::size_t) { correct += static_cast<double>(correct_in_slice()); });
        result.loss = comm_.sum(replica_->take_loss()) / count;
        result.accuracy = comm_.sum(correct) / count;
    }
    times_ = before;
    times_.evaluation += seconds;
    return result;
}

std::vector<nn_real> DataParallelNeuralNetwork::probabilities(const Dataset& set_on_root) {
    check_format(set_on_root, false);
    const TimeSplit before = times_;
    double seconds = 0;
    std::vector<nn_real> all;
    {
        Stopwatch watch(seconds);
        const auto height = static_cast<std::size_t>(layout_.classes());
        if (comm_.is_root()) all.resize(set_on_root.count() * height);
        replica_->take_loss();
        forward_all(set_on_root, [&](std::size_t first) {
            const int mine = slice_of(batch_, comm_.rank(), comm_.size()).count;
            std::vector<nn_real> yhat(static_cast<std::size_t>(mine) * height);
            replica_->get_probabilities(yhat);
            comm_.gather(yhat, comm_.is_root() ? std::span(all).subspan(first * height)
                                               : std::span<nn_real>());
        });
        replica_->take_loss();  // nobody asked for it, and it must not count in what follows
    }
    times_ = before;
    times_.evaluation += seconds;
    return all;
}

Parameters<nn_real> DataParallelNeuralNetwork::parameters() {
    Parameters<nn_real> result(layout_);
    replica_->get_parameters(result.values);
    return result;
}

bool DataParallelNeuralNetwork::ranks_agree() {
    const Parameters<nn_real> mine = parameters();
    Parameters<nn_real> roots = mine;
    comm_.broadcast(roots.values);
    return comm_.all(std::memcmp(mine.values.data(), roots.values.data(),
                                 mine.values.size() * sizeof(nn_real)) == 0);
}
