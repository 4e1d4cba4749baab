// nccl.cpp: sums by NCCL's ncclAllReduce, in the memory of the GPUs, part by part.
//
// A part's sum is put on the device as soon as the kernels of the part are, so the GPU sums it
// while it computes the next one, and the host is ahead of both until finish(). NCCL promises
// identical copies of a sum on all ranks, and in words no more; the trainer compares the copies
// after each epoch.
#include <vector>

#include "base/clock.h"
#include "base/timeline.h"
#include "device/gpu/nccl.h"
#include "reduce/reducers.h"

namespace {

/// Rank 0's id, on every rank. MPI carries it.
NcclId shared_id(const Group& group) {
    NcclId id = {};
    if (group.rank() == 0) id = make_nccl_id();
    group.broadcast(id);
    return id;
}

class NcclReducer : public Reducer {
  public:
    NcclReducer(const Group& group, int device)
        : sums_(make_nccl_sums(shared_id(group), group.rank(), group.size(), device)) {}

    void start(const Lent& lent) override {
        const Span span(Work::communication);
        sums_->start(lent);
        bytes_ += lent.values.size_bytes();
        started_.push_back(lent);
    }
    Sum finish() override {
        const Lent lent = started_[finished_++];
        if (finished_ == started_.size()) {  // the step is over; clear() keeps the memory
            started_.clear();
            finished_ = 0;
        }
        if (lent.ready != nullptr) {
            const Span span(Work::compute);
            lent.ready->wait();
        }
        const Span span(Work::communication);
        const Traced traced("sum");
        sums_->wait_for_oldest();
        return {lent.first, lent.values.size(), lent.values.data(), lent.memory};
    }
    std::size_t bytes_given() const override { return bytes_; }

  private:
    std::unique_ptr<NcclSums> sums_;
    std::vector<Lent> started_;  ///< of this step
    std::size_t finished_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Reducer> make_nccl_reducer(const Group& group, int device) {
    return std::make_unique<NcclReducer>(group, device);
}
