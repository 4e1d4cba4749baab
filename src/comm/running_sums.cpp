// running_sums.cpp: a queue of MPI's requests.
#include "comm/running_sums.h"

#include <deque>

#include "comm/handle.h"

struct RunningSums::Requests {
    std::deque<MPI_Request> all;
};

RunningSums::RunningSums(const Group& group)
    : group_(group), requests_(std::make_unique<Requests>()) {}
// It does not wait for what is still on its way: other ranks may have ended.
RunningSums::~RunningSums() = default;

void RunningSums::start(std::span<nn_real> values) {
    MPI_Request& request = requests_->all.emplace_back(MPI_REQUEST_NULL);
    MPI_CHECK(MPI_Iallreduce(MPI_IN_PLACE, values.data(), to_count(values.size()), mpi_real(),
                             MPI_SUM, group_.handle().comm, &request));
}

std::size_t RunningSums::count() const { return requests_->all.size(); }

bool RunningSums::oldest_is_complete() {
    int complete = 0;
    MPI_CHECK(MPI_Test(&requests_->all.front(), &complete, MPI_STATUS_IGNORE));
    if (complete != 0) requests_->all.pop_front();
    return complete != 0;
}

void RunningSums::wait_for_oldest() {
    MPI_CHECK(MPI_Wait(&requests_->all.front(), MPI_STATUS_IGNORE));
    requests_->all.pop_front();
}
