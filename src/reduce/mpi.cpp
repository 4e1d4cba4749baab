// mpi.cpp: sums by MPI_Allreduce in place, one part at a time, as the course does.
//
// With Open MPI the sum has the same bits on every rank, and in every run with the same number of
// ranks. Other libraries may promise less; the trainer compares the copies after each epoch.
#include "reduce/part_by_part.h"
#include "reduce/reducers.h"

namespace {

class MpiReducer : public PartByPart {
  public:
    explicit MpiReducer(const Group& group) : group_(group) {}

  private:
    std::size_t sum(std::size_t, std::span<nn_real> values) override {
        group_.sum(values);
        return values.size_bytes();
    }

    const Group& group_;
};

}  // namespace

std::unique_ptr<Reducer> make_mpi_reducer(const Group& group) {
    return std::make_unique<MpiReducer>(group);
}
