// neural_network.cpp: the serial reference, then the trainer above Replica and MPI.
#include "neural_network.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

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
    activations_.assign(1, x);
    for (int l = 1; l <= layout.layers(); ++l) {
        Matrix z = multiply(weight_matrix(parameters_, l), activations_.back());
        const auto bias = parameters_.bias(l);
        for (int j = 0; j < z.cols; ++j)
            for (int i = 0; i < z.rows; ++i) z(i, j) += bias[static_cast<std::size_t>(i)];
        Matrix a = z;
        if (l < layout.layers()) {
            for (double& value : a.values) value = 1.0 / (1.0 + std::exp(-value));
        } else {
            for (int j = 0; j < z.cols; ++j) {
                const double log_sum = log_sum_exp(z, j);
                for (int i = 0; i < z.rows; ++i) a(i, j) = std::exp(z(i, j) - log_sum);
            }
            logits_ = std::move(z);
        }
        activations_.push_back(std::move(a));
    }
    return activations_.back();
}

double NeuralNetwork::loss(std::span<const std::uint8_t> labels, double reg) const {
    double data = 0, squares = 0;
    for (int j = 0; j < logits_.cols; ++j)
        data += log_sum_exp(logits_, j) - logits_(labels[static_cast<std::size_t>(j)], j);
    for (int l = 1; l <= parameters_.layout.layers(); ++l)
        for (double w : parameters_.weights(l)) squares += w * w;
    return data / logits_.cols + reg / 2 * squares;
}

const Parameters<double>& NeuralNetwork::backward(std::span<const std::uint8_t> labels,
                                                  double reg) {
    const Layout& layout = parameters_.layout;
    Matrix delta = activations_.back();
    for (int j = 0; j < delta.cols; ++j) delta(labels[static_cast<std::size_t>(j)], j) -= 1.0;
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
    Matrix x(static_cast<int>(set.features()), static_cast<int>(samples.size()));
    for (std::size_t j = 0; j < samples.size(); ++j)
        for (std::size_t i = 0; i < set.features(); ++i)
            x.values[j * set.features() + i] =
                set.pixels[samples[j] * set.features() + i] * static_cast<double>(pixel_scale);
    return x;
}

void NeuralNetwork::train(const Dataset& set, const Training& training) {
    for (int epoch = 0; epoch < training.epochs; ++epoch) {
        const std::vector<std::uint32_t> order = sample_order(set.count(), epoch, training);
        const auto batch = static_cast<std::size_t>(training.batch);
        for (std::size_t first = 0; first < order.size(); first += batch) {
            const std::span samples(&order[first], std::min(batch, order.size() - first));
            std::vector<std::uint8_t> labels;
            for (std::uint32_t sample : samples) labels.push_back(set.labels[sample]);
            forward(input_columns(set, samples, training.pixel_scale));
            backward(labels, training.reg);
            step(static_cast<double>(training.rate_of(epoch)));
        }
    }
}

std::vector<std::uint8_t> NeuralNetwork::predict(const Matrix& x) {
    const Matrix& yhat = forward(x);
    std::vector<std::uint8_t> classes;
    for (int j = 0; j < yhat.cols; ++j) {
        const double* column = &yhat.values[static_cast<std::size_t>(j) * yhat.rows];
        classes.push_back(
            static_cast<std::uint8_t>(std::max_element(column, column + yhat.rows) - column));
    }
    return classes;
}

double NeuralNetwork::accuracy(const Dataset& set, nn_real pixel_scale) {
    constexpr std::size_t at_once = 1000;  // so that the activations of a large set fit memory
    std::vector<std::uint32_t> samples(set.count());
    std::iota(samples.begin(), samples.end(), 0u);
    std::size_t correct = 0;
    for (std::size_t first = 0; first < samples.size(); first += at_once) {
        const auto some =
            std::span(samples).subspan(first, std::min(at_once, samples.size() - first));
        const std::vector<std::uint8_t> seen = predict(input_columns(set, some, pixel_scale));
        for (std::size_t j = 0; j < some.size(); ++j) correct += seen[j] == set.labels[some[j]];
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
      slice_capacity_(slice_capacity),
      shared_(shared) {
    comm_.broadcast(initial.values);
    if (shared_ == nullptr || comm_.is_root()) replica_->set_parameters(initial.values);
    if (shared_ != nullptr) shared_->barrier();
}

void DataParallelNeuralNetwork::load(const Dataset& set_on_root,
                                     std::span<const std::uint32_t> samples) {
    start_scatter(set_on_root, samples);
    finish_scatter();
    replica_->take_loss();  // loss() is of this mini-batch alone
}

void DataParallelNeuralNetwork::start_scatter(const Dataset& set_on_root,
                                              std::span<const std::uint32_t> samples) {
    arriving_batch_ = static_cast<int>(samples.size());
    const auto d = static_cast<std::size_t>(layout_.inputs());
    label_counts_.clear();
    pixel_counts_.clear();
    for (int r = 0; r < comm_.size(); ++r) {
        label_counts_.push_back(slice_of(arriving_batch_, r, comm_.size()).count);
        pixel_counts_.push_back(label_counts_.back() * layout_.inputs());
    }
    if (comm_.is_root()) {
        Stopwatch watch(times_.data);
        batch_pixels_.resize(samples.size() * d);
        batch_labels_.resize(samples.size());
        for (std::size_t j = 0; j < samples.size(); ++j) {
            std::copy_n(&set_on_root.pixels[samples[j] * d], d, &batch_pixels_[j * d]);
            batch_labels_[j] = set_on_root.labels[samples[j]];
        }
    }
    arriving_ = replica_->stage(slice_of(arriving_batch_, comm_.rank(), comm_.size()).count);
    Stopwatch watch(times_.communication);
    pixel_scatter_.start(batch_pixels_, pixel_counts_, arriving_.pixels);
    label_scatter_.start(batch_labels_, label_counts_, arriving_.labels);
}

void DataParallelNeuralNetwork::finish_scatter() {
    {
        Stopwatch watch(times_.communication);
        pixel_scatter_.finish();
        label_scatter_.finish();
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
        resident_ = replica_->keep(set_on_root.pixels, set_on_root.labels);
        return;
    }
    std::vector<std::uint8_t> pixels(count * static_cast<std::size_t>(layout_.inputs()));
    std::vector<std::uint8_t> labels(count);
    if (comm_.is_root()) {
        pixels = set_on_root.pixels;
        labels = set_on_root.labels;
    }
    {
        Stopwatch watch(times_.communication);
        comm_.broadcast(pixels);
        comm_.broadcast(labels);
    }
    Stopwatch watch(times_.data);
    resident_ = comm_.all(replica_->keep(pixels, labels));
    if (!resident_) replica_->keep({}, {});  // where one has no room, none keeps a copy
}

void DataParallelNeuralNetwork::train(const Dataset& set_on_root, const Training& training,
                                      TrainingObserver* observer) {
    const std::size_t count = comm_.from_root(set_on_root.count());
    resident_ = false;
    if (training.scatter_once) keep_everywhere(set_on_root, count);
    replica_->take_loss();  // nothing from before counts
    for (int epoch = 0; epoch < training.epochs; ++epoch) {
        const double loss = train_epoch(set_on_root, count, epoch, training, observer);
        if (!comm_.all(std::isfinite(loss)))
            throw Diverged("training diverged: the loss of epoch " + std::to_string(epoch + 1) +
                           " is not finite; use a smaller learning rate (-l)");
        if (observer != nullptr) observer->on_epoch(epoch, loss);
    }
}

bool DataParallelNeuralNetwork::epoch_at_once(std::size_t count, int epoch,
                                              const Training& training) {
    Stopwatch watch(times_.compute);
    const auto batch = std::min(static_cast<std::size_t>(training.batch), count);
    return replica_->epoch(count, static_cast<int>(batch), training.rate_of(epoch),
                           static_cast<nn_real>(training.reg));
}

double DataParallelNeuralNetwork::train_epoch(const Dataset& set_on_root, std::size_t count,
                                              int epoch, const Training& training,
                                              TrainingObserver* observer) {
    const auto batch = static_cast<std::size_t>(training.batch);
    const int steps = static_cast<int>((count + batch - 1) / batch);
    const std::vector<std::uint32_t> order = sample_order(count, epoch, training);
    if (resident_) replica_->set_order(order);
    const bool reports = observer != nullptr && training.print_every > 0;
    if (resident_ && comm_.size() == 1 && !reports && epoch_at_once(count, epoch, training))
        return take_loss() / static_cast<double>(count) + penalty(training.reg);
    double epoch_loss = 0;
    std::size_t unreported = 0;  // samples whose loss no on_step() has told yet
    for (int s = 0; s < steps; ++s) {
        const std::size_t first = static_cast<std::size_t>(s) * batch;
        const auto samples = std::span(order).subspan(first, std::min(batch, count - first));
        if (resident_) {
            pick_batch(first, samples.size());
        } else {
            if (s == 0) start_scatter(set_on_root, samples);
            finish_scatter();
            // The next one is on its way while this one is computed: gathered here, sent as far as
            // MPI does it by itself, the rest when it is waited for.
            const std::size_t next = first + samples.size();
            if (next < count)
                start_scatter(set_on_root,
                              std::span(order).subspan(next, std::min(batch, count - next)));
        }
        forward();
        unreported += samples.size();
        if (reports && (s + 1) % training.print_every == 0) {
            const double sum = take_loss();
            observer->on_step(epoch, s + 1, steps,
                              sum / static_cast<double>(unreported) + penalty(training.reg));
            epoch_loss += sum;
            unreported = 0;
        }
        backward();
        step(training.rate_of(epoch), training.reg);
    }
    epoch_loss += take_loss();
    return epoch_loss / static_cast<double>(count) + penalty(training.reg);
}

Evaluation DataParallelNeuralNetwork::evaluate(const Dataset& set_on_root) {
    const TimeSplit before = times_;
    double seconds = 0;
    Evaluation result;
    {
        Stopwatch watch(seconds);
        const std::size_t count = comm_.from_root(set_on_root.count());
        // As many images at once as the replicas take and one MPI message of bytes holds.
        const std::size_t most = std::clamp<std::size_t>(
            std::numeric_limits<int>::max() / static_cast<std::size_t>(layout_.inputs()), 1,
            static_cast<std::size_t>(slice_capacity_) * static_cast<std::size_t>(comm_.size()));
        std::vector<std::uint32_t> samples(count);
        std::iota(samples.begin(), samples.end(), 0u);
        std::vector<std::uint8_t> seen;
        double correct = 0;
        replica_->take_loss();
        for (std::size_t first = 0; first < count; first += most) {
            start_scatter(set_on_root,
                          std::span(samples).subspan(first, std::min(most, count - first)));
            finish_scatter();
            forward();
            seen.resize(arriving_.labels.size());
            replica_->get_predictions(seen);
            for (std::size_t j = 0; j < seen.size(); ++j) correct += seen[j] == arriving_.labels[j];
        }
        result.loss = comm_.sum(replica_->take_loss()) / static_cast<double>(count);
        result.accuracy = comm_.sum(correct) / static_cast<double>(count);
    }
    times_ = before;
    times_.evaluation += seconds;
    return result;
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
