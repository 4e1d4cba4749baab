// overlap.cpp: sums that go on while the gradient is still being computed, as PyTorch's DDP and
// Horovod have them.
//
// Parts come from the last layer on. Neighbours in memory are joined to buckets, since a few large
// sums cost less than many small ones. The sum of a bucket starts as soon as its last part is
// ready, and update() waits for it. Between the two, each call here lets MPI work on all sums under
// way. MPI chooses the order of the additions, so the size of a bucket may change the bits; equal
// runs have equal bits on all ranks, as with mpi.cpp.
#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "base/timeline.h"
#include "comm/running_sums.h"
#include "reduce/reducers.h"

namespace {

class OverlappedReducer : public Reducer {
  public:
    OverlappedReducer(const Group& group, std::size_t bucket_bytes)
        : sums_(group), bucket_bytes_(bucket_bytes) {}

    void start(const Lent& lent) override {
        if (lent.ready != nullptr) {
            const Span span(Work::compute);
            lent.ready->wait();
        }
        const Working working(*this);
        join(lent.values);
        parts_.push_back({lent, buckets_});
        if (open_.size_bytes() >= bucket_bytes_) start_bucket();
        look();
    }
    Sum finish() override {
        const Working working(*this);
        if (!open_.empty()) start_bucket();
        const Part& part = parts_[finished_++];
        while (complete_ < std::min(part.bucket + 1, buckets_)) {
            const Traced traced("sum");
            sums_.wait_for_oldest();
            note_complete();
        }
        look();
        const Sum sum{part.lent.first, part.lent.values.size(), part.lent.values.data()};
        if (finished_ == parts_.size()) begin_step();
        return sum;
    }
    std::size_t bytes_given() const override { return bytes_; }
    SumTimes times() const override { return times_; }

  private:
    struct Part {
        Lent lent;
        std::size_t bucket;
    };
    /// A call of this object. Its time is spent on sums, as far as some are under way.
    class Working {
      public:
        explicit Working(OverlappedReducer& reducer)
            : reducer_(reducer), begin_(timeline::now()), others_(reducer.sums_.count() > 0) {}
        ~Working() {
            OverlappedReducer& r = reducer_;
            const bool going_on = r.sums_.count() > 0;
            const double from = others_ ? begin_ : std::max(begin_, r.under_way_since_);
            const double to = going_on ? timeline::now() : r.last_complete_;
            r.times_.spent += std::max(0.0, to - from);
        }
        Working(const Working&) = delete;
        Working& operator=(const Working&) = delete;

      private:
        OverlappedReducer& reducer_;
        const double begin_;
        const bool others_;  ///< were under way before
        const Span span_{Work::communication};
    };

    /// Adds a part to the bucket that is filled, or to a new one if it is no neighbour.
    void join(std::span<nn_real> values) {
        if (values.data() + values.size() == open_.data())
            open_ = {values.data(), values.size() + open_.size()};
        else if (open_.data() + open_.size() == values.data())
            open_ = {open_.data(), open_.size() + values.size()};
        else {
            if (!open_.empty()) start_bucket();
            open_ = values;
        }
    }
    void start_bucket() {
        started_at_.push_back(timeline::now());
        if (sums_.count() == 0) under_way_since_ = started_at_.back();
        sums_.start(open_);
        bytes_ += open_.size_bytes();
        open_ = {};
        ++buckets_;
    }
    /// Lets MPI work.
    void look() {
        while (sums_.count() > 0 && sums_.oldest_is_complete()) note_complete();
    }
    void note_complete() {
        last_complete_ = timeline::now();
        timeline::note(
            {"bucket", static_cast<int>(complete_), started_at_[complete_], last_complete_});
        ++complete_;
        if (sums_.count() == 0) times_.under_way += last_complete_ - under_way_since_;
    }
    void begin_step() {
        parts_.clear();
        started_at_.clear();
        finished_ = complete_ = buckets_ = 0;
    }

    RunningSums sums_;
    const std::size_t bucket_bytes_;
    std::span<nn_real> open_;  ///< parts that are in no bucket yet
    // Of this step:
    std::vector<Part> parts_;
    std::vector<double> started_at_;  ///< of each bucket
    std::size_t buckets_ = 0;         ///< that were started
    std::size_t complete_ = 0;        ///< of these
    std::size_t finished_ = 0;        ///< parts

    std::size_t bytes_ = 0;
    double under_way_since_ = 0, last_complete_ = 0;
    SumTimes times_;
};

}  // namespace

std::unique_ptr<Reducer> make_overlapped_reducer(const Group& group, std::size_t bucket_bytes) {
    return std::make_unique<OverlappedReducer>(group, bucket_bytes);
}
