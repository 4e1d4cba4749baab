// mpi.cpp: sums by MPI_Allreduce in place, one part at a time, as the course does.
//
// With Open MPI the sum has the same bits on every rank, and in every run with the same number of
// ranks. Other libraries may promise less; the trainer compares the copies after each epoch.
#include <vector>

#include "base/clock.h"
#include "base/timeline.h"
#include "reduce/reducers.h"

namespace {

class MpiReducer : public Reducer {
  public:
    explicit MpiReducer(const Group& group) : group_(group) {}

    /// A device computes the next part while MPI sums this one. MPI_Iallreduce would hide no more
    /// time: an MPI without a thread of its own works on a sum only inside its calls.
    void start(const Lent& lent) override {
        if (lent.ready != nullptr) {
            const Span span(Work::compute);
            lent.ready->wait();
        }
        const Span span(Work::communication);
        const Traced traced("sum");
        group_.sum(lent.values);
        bytes_ += lent.values.size_bytes();
        summed_.push_back(lent);
    }
    Sum finish() override {
        const Lent lent = summed_[finished_++];
        if (finished_ == summed_.size()) {  // the step is over; clear() keeps the memory
            summed_.clear();
            finished_ = 0;
        }
        return {lent.first, lent.values.size(), lent.values.data(), lent.memory};
    }
    std::size_t bytes_given() const override { return bytes_; }

  private:
    const Group& group_;
    std::vector<Lent> summed_;  ///< of this step
    std::size_t finished_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Reducer> make_mpi_reducer(const Group& group) {
    return std::make_unique<MpiReducer>(group);
}
