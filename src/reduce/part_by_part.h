// part_by_part.h: what the reducers have in common that sum a part as a whole before the next one.
//
// start() returns when the part's sum is there. A GPU computes the next part meanwhile. What lets a
// CPU compute meanwhile too is in overlap.cpp.
#pragma once
#include <vector>

#include "base/clock.h"
#include "base/timeline.h"
#include "reduce/reducer.h"

class PartByPart : public Reducer {
  public:
    void start(const Lent& lent) final {
        if (lent.ready != nullptr) {
            const Span span(Work::compute);
            lent.ready->wait();
        }
        const Span span(Work::communication);
        const Traced traced("sum");
        bytes_ += sum(lent.first, lent.values);
        summed_.push_back(lent);
    }
    Sum finish() final {
        const Lent lent = summed_[finished_++];
        if (finished_ == summed_.size()) {  // the step is over; clear() keeps the memory
            summed_.clear();
            finished_ = 0;
        }
        return {lent.first, lent.values.size(), lent.values.data(), lent.memory};
    }
    std::size_t bytes_given() const final { return bytes_; }

  private:
    /// values[i], of which element 0 is element `first` of the gradient, becomes its sum over the
    /// replicas. Returns the bytes that this rank has handed to MPI for it. Collective.
    virtual std::size_t sum(std::size_t first, std::span<nn_real> values) = 0;

    std::vector<Lent> summed_;  ///< of this step
    std::size_t finished_ = 0;
    std::size_t bytes_ = 0;
};
