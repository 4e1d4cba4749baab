// node.cpp: the ranks of one node sum their gradients in the memory where the gradients lie.
//
// Parameters and gradients are in memory that all ranks see (NodeMemory). After a first barrier,
// every gradient is complete. Each rank then updates its own range of the parameters by the sum of
// all ranks' gradients, added in the order of the ranks. After a second barrier, all ranges are
// updated and no gradient is needed any more. So all ranks have the same bits, and equal runs have
// the same bits.
#include <vector>

#include "base/clock.h"
#include "reduce/reducers.h"

namespace {

class NodeReducer : public Reducer {
  public:
    NodeReducer(const Comm& comm, NodeMemory& memory)
        : rank_(static_cast<std::size_t>(comm.rank())),
          ranks_(static_cast<std::size_t>(comm.size())),
          memory_(memory),
          addends_(ranks_) {}

    void start(const Lent& lent) override { started_.push_back({lent.first, lent.values.size()}); }
    Sum finish() override {
        wait_for_all();
        const Part part = started_[finished_++];
        if (finished_ == started_.size()) {  // the step is over; clear() keeps the memory
            started_.clear();
            finished_ = 0;
        }
        const std::size_t first = part.first + part.count * rank_ / ranks_;
        const std::size_t last = part.first + part.count * (rank_ + 1) / ranks_;
        for (std::size_t r = 0; r < ranks_; ++r) addends_[r] = memory_.gradients()[r] + first;
        return {first, last - first, addends_};
    }
    void publish() override { wait_for_all(); }
    bool has_copies() const override { return false; }

  private:
    void wait_for_all() {
        const Span span(Work::communication);
        memory_.barrier();
    }

    std::size_t rank_, ranks_;
    NodeMemory& memory_;
    std::vector<Part> started_;  ///< of this step
    std::size_t finished_ = 0;
    std::vector<const nn_real*> addends_;
};

}  // namespace

std::unique_ptr<Reducer> make_node_reducer(const Comm& comm, NodeMemory& memory) {
    return std::make_unique<NodeReducer>(comm, memory);
}
