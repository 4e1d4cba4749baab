// feed_scattered.cpp: rank 0 gathers each mini-batch in its order and scatters it.
//
// The next batch is on its way while the ranks compute this one: rank 0 gathers it and starts the
// scatter. What MPI does not send by itself, it sends when the ranks wait for the batch.
#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "base/clock.h"
#include "base/range.h"
#include "comm/scatter.h"
#include "train/feed.h"

namespace {

class ScatteredFeed : public Feed {
  public:
    ScatteredFeed(const FeedDestination& to, const SampleSet& set)
        : comm_(to.comm),
          dealing_(to.dealing),
          store_(to.replica.samples()),
          set_(set),
          input_(to.replica.shape().format.input_bytes(to.replica.shape().layout.inputs())),
          target_(to.replica.shape().format.target_bytes(to.replica.shape().layout.classes())),
          inputs_(to.comm.all_ranks()),
          targets_(to.comm.all_ranks()) {}

    void begin(std::span<const std::uint32_t> order, int batch) override {
        end();
        order_.assign(order.begin(), order.end());
        batch_ = static_cast<std::size_t>(batch);
    }
    void load(const Batch& batch) override {
        if (!under_way_) start(batch);
        if (batch.first != next_.first || batch.count != next_.count)
            throw std::logic_error("the scattered feed was asked for another batch than the next");
        end();
        const std::size_t next = batch.first + static_cast<std::size_t>(batch.count);
        if (next < order_.size())
            start({next, static_cast<int>(std::min(batch_, order_.size() - next))});
    }
    void end() override {
        if (!under_way_) return;
        under_way_ = false;
        {
            const Span span(Work::communication);
            inputs_.scatter.finish();
            targets_.scatter.finish();
        }
        const Span span(Work::data);
        store_.arrived();
    }
    FeedKind kind() const override { return FeedKind::scattered; }

  private:
    /// The inputs, or the targets, of the batch that is on its way.
    struct Way {
        std::vector<std::uint8_t> all;  ///< rank 0: the whole batch, in order
        std::vector<int> counts;        ///< bytes for each rank
        Scatter scatter;
        explicit Way(const Group& ranks) : scatter(ranks) {}
    };

    void start(const Batch& batch) {
        under_way_ = true;
        next_ = batch;
        const auto samples =
            std::span(order_).subspan(batch.first).first(static_cast<std::size_t>(batch.count));
        prepare(inputs_, samples, set_.input_bytes(), input_);
        prepare(targets_, samples, set_.target_bytes(), target_);
        const Staging mine = store_.stage(shard_on_node(comm_, batch.count, dealing_));
        const Span span(Work::communication);
        inputs_.scatter.start(inputs_.all, inputs_.counts, mine.inputs);
        targets_.scatter.start(targets_.all, targets_.counts, mine.targets);
    }
    void prepare(Way& way, std::span<const std::uint32_t> samples,
                 std::span<const std::uint8_t> bytes, std::size_t size) const {
        const Span span(Work::data);
        way.counts.clear();
        for (int r = 0; r < comm_.size(); ++r) {
            const int n =
                dealt_to(r, comm_.size(), static_cast<int>(samples.size()), dealing_).count;
            way.counts.push_back(n * static_cast<int>(size));
        }
        if (!comm_.is_root()) return;
        way.all.assign(samples.size() * size, 0);
        if (bytes.empty()) return;  // a set without targets: nobody reads the zeros
        for (std::size_t j = 0; j < samples.size(); ++j)
            std::copy_n(&bytes[samples[j] * size], size, &way.all[j * size]);
    }

    const Comm& comm_;
    const Dealing dealing_;
    SampleStore& store_;
    const SampleSet& set_;
    std::size_t input_, target_;  ///< bytes of one sample
    std::vector<std::uint32_t> order_;
    std::size_t batch_ = 1;
    bool under_way_ = false;
    Batch next_ = {};  ///< the batch on its way
    Way inputs_, targets_;
};

}  // namespace

std::unique_ptr<Feed> make_scattered_feed(const FeedDestination& to, const SampleSet& set_on_root) {
    return std::make_unique<ScatteredFeed>(to, set_on_root);
}
