// async.cpp: asynchronous descent. The parameters are in a window on rank 0. A rank takes the next
// shard, fetches the parameters, trains them on the shard, and adds what they have changed to those
// in the window, whatever other ranks have added meanwhile.
//
// The window is on one rank, and is visited by one rank at a time: so updates have one order, a
// fetch is the state between two of them, and the staleness is a true count (ledger.h). In
// exchange, all bytes go to and from rank 0.
//
// With R ranks, a shard's gradient is that of its mean, times R shard/M, and a rank adds 1/R of its
// change. So where no update is stale, the shards of a mini-batch together move the parameters as
// far as the mini-batch does. An optimizer's moments stay on their rank.
#include <utility>

#include "base/clock.h"
#include "base/timeline.h"
#include "comm/window.h"
#include "neural_network.h"
#include "train/strategies.h"

namespace {

class Async : public Strategy {
  public:
    explicit Async(AsyncSettings settings) : settings_(settings) {}

    void begin(DataParallelNeuralNetwork& network) override {
        const Comm& comm = network.comm();
        comm.together([&] {
            if (network.feed_kind() != FeedKind::resident)
                throw InputError(
                    "--sync async: the training set does not fit on the device of every rank, and "
                    "a rank takes whatever shard is next; use --sync every-step, or a smaller "
                    "--train-size");
        });
        ledger_ = Ledger(comm.size(), settings_.bound);
        values_ = network.parameters().values;
        window_ = &comm.window(ledger_.numbers().size(), values_.size());
        if (comm.is_root())
            window_->visit([&](Window::Visit& visit) {
                visit.write(std::as_const(ledger_).numbers());
                visit.write(std::as_const(values_));
            });
        comm.all(true);  // nobody visits before that
        end_ = 0;
        is_settled_ = true;
    }

    /// Does shards of the mini-batch until all are taken. Other ranks may still be at work on
    /// theirs.
    void step(DataParallelNeuralNetwork& network, const Batch& batch,
              const Update& update) override {
        is_settled_ = false;
        const int ranks = network.comm().size(), rank = network.comm().rank();
        const std::int64_t first = std::exchange(end_, end_ + ranks);
        // What was there at the last visit is still taken.
        while (ledger_.taken() < end_) {
            const std::int64_t shard = fetch(rank);
            if (shard == Ledger::none_left) return;
            network.load(batch, shard_of(batch.count, static_cast<int>(shard - first), ranks));
            network.replica().write(values_);
            network.forward(static_cast<nn_real>(ranks));
            network.backward();
            network.update(update);
            apply(rank, changes(network, ranks));
            if (settings_.record != nullptr)
                settings_.record->push_back({shard, fetched_at_, ledger_.applied() - 1});
        }
    }

    bool is_settled() const override { return is_settled_; }
    void settle(DataParallelNeuralNetwork& network) override {
        if (is_settled_) return;
        const Span span(Work::communication);
        const Traced traced("wait");
        const Comm& comm = network.comm();
        comm.all(true);  // all updates are applied
        if (comm.is_root()) window_->visit([&](Window::Visit& visit) { visit.read(values_); });
        comm.broadcast(values_);
        network.replica().write(values_);
        is_settled_ = true;
    }
    bool has_copies() const override { return true; }
    bool deals_itself() const override { return true; }
    std::size_t bytes_given() const override { return bytes_; }
    Staleness staleness() const override { return staleness_; }

  private:
    /// Returns the shard that this rank has taken, with the parameters in values_; or none_left.
    std::int64_t fetch(int rank) {
        const Span span(Work::communication);
        const Traced traced("wait");
        for (;; window_->rest()) {
            std::int64_t shard = 0;
            window_->visit([&](Window::Visit& visit) {
                visit.read(ledger_.numbers());
                fetched_at_ = ledger_.applied();
                shard = ledger_.fetch(rank, end_);
                visit.write(std::as_const(ledger_).numbers());
                if (shard >= 0) visit.read(values_);
            });
            if (shard != Ledger::must_wait) return shard;
        }
    }
    /// What one rank's update has changed the parameters by, shared out over `ranks`.
    std::span<const nn_real> changes(DataParallelNeuralNetwork& network, int ranks) {
        const Span span(Work::compute);
        changed_.resize(values_.size());
        network.replica().read(changed_);
        const auto share = static_cast<nn_real>(ranks);
        for (std::size_t i = 0; i < changed_.size(); ++i)
            changed_[i] = (changed_[i] - values_[i]) / share;
        return changed_;
    }
    void apply(int rank, std::span<const nn_real> changes) {
        const Span span(Work::communication);
        const Traced traced("wait");
        for (;; window_->rest()) {
            std::int64_t staleness = 0;
            window_->visit([&](Window::Visit& visit) {
                visit.read(ledger_.numbers());
                staleness = ledger_.apply(rank);
                if (staleness == Ledger::must_wait) return;
                visit.write(std::as_const(ledger_).numbers());
                visit.add(changes);
            });
            if (staleness == Ledger::must_wait) continue;
            staleness_.add(staleness);
            bytes_ += changes.size_bytes();
            return;
        }
    }

    const AsyncSettings settings_;
    Window* window_ = nullptr;
    Ledger ledger_{1, 0};                    ///< as it was at this rank's last visit
    std::vector<nn_real> values_, changed_;  ///< fetched; and what an update has changed them by
    std::int64_t end_ = 0;                   ///< behind the shards of the mini-batches so far
    std::int64_t fetched_at_ = 0;            ///< updates that values_ has
    bool is_settled_ = true;
    std::size_t bytes_ = 0;
    Staleness staleness_;
};

}  // namespace

std::unique_ptr<Strategy> make_async(const AsyncSettings& settings) {
    return std::make_unique<Async>(settings);
}
