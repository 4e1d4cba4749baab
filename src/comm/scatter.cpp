// scatter.cpp: MPI_Iscatterv and its wait.
#include "comm/scatter.h"

#include <numeric>
#include <vector>

#include "comm/handle.h"

struct Scatter::State {
    std::vector<int> counts, starts;  ///< MPI reads them until finish()
    MPI_Request request = MPI_REQUEST_NULL;
};
Scatter::Scatter(const Group& group) : group_(group), state_(std::make_unique<State>()) {}
Scatter::~Scatter() = default;

void Scatter::start(std::span<const std::uint8_t> all, std::span<const int> counts,
                    std::span<std::uint8_t> mine) {
    state_->counts.assign(counts.begin(), counts.end());
    state_->starts.resize(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), state_->starts.begin(), 0);
    MPI_CHECK(MPI_Iscatterv(all.data(), state_->counts.data(), state_->starts.data(), MPI_UINT8_T,
                            mine.data(), to_count(mine.size()), MPI_UINT8_T, 0,
                            group_.handle().comm, &state_->request));
}
void Scatter::finish() {
    // NOLINTNEXTLINE(clang-analyzer-optin.mpi.MPI-Checker): start() began it, in another call
    MPI_CHECK(MPI_Wait(&state_->request, MPI_STATUS_IGNORE));
}
