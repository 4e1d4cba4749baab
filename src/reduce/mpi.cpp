// mpi.cpp: the course's way to sum: MPI_Allreduce in place, a part at a time.
//
// With Open MPI the sum has the same bits on every rank, and in every run with the same number of
// ranks. Other libraries may promise less; the trainer compares the copies after each epoch.
#include <array>
#include <vector>

#include "base/clock.h"
#include "reduce/reducers.h"

namespace {

class MpiReducer : public Reducer {
  public:
    explicit MpiReducer(const Comm& comm) : comm_(comm) {}

    /// A device computes the next part while this one is summed. MPI_Iallreduce would hide no more:
    /// without a thread of its own MPI gets on with a sum only while it is called.
    void start(const Lent& lent) override {
        if (lent.ready != nullptr) {
            const Span span(Work::compute);
            lent.ready->wait();
        }
        const Span span(Work::communication);
        comm_.sum(lent.values.data(), lent.values.size());
        summed_.push_back(lent);
    }
    Sum finish() override {
        const Lent lent = summed_[finished_++];
        if (finished_ == summed_.size()) {  // of this step; the memory is kept for the next one
            summed_.clear();
            finished_ = 0;
        }
        addends_ = {lent.values.data()};
        return {lent.first, lent.values.size(), addends_, lent.memory};
    }
    bool has_copies() const override { return true; }

  private:
    const Comm& comm_;
    std::vector<Lent> summed_;  ///< of this step
    std::size_t finished_ = 0;
    std::array<const nn_real*, 1> addends_ = {};
};

}  // namespace

std::unique_ptr<Reducer> make_mpi_reducer(const Comm& comm) {
    return std::make_unique<MpiReducer>(comm);
}
