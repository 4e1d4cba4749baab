// group.cpp: what a reducer asks of MPI.
#include "comm/group.h"

#include <numeric>

#include "comm/handle.h"

Group::Group(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {
    MPI_CHECK(MPI_Comm_rank(handle_->comm, &rank_));
    MPI_CHECK(MPI_Comm_size(handle_->comm, &size_));
}
Group::~Group() = default;

void Group::sum(std::span<nn_real> values) const {
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, values.data(), to_count(values.size()), mpi_real(),
                            MPI_SUM, handle_->comm));
}

void Group::broadcast(std::span<std::uint8_t> bytes) const {
    MPI_CHECK(MPI_Bcast(bytes.data(), to_count(bytes.size()), MPI_UINT8_T, 0, handle_->comm));
}

void Group::gather_everywhere(std::span<const std::uint8_t> mine, std::span<const int> counts,
                              std::span<std::uint8_t> all) const {
    std::vector<int> starts(counts.size());
    to_count(all.size());  // the starts are ints
    std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), 0);
    MPI_CHECK(MPI_Allgatherv(mine.data(), to_count(mine.size()), MPI_UINT8_T, all.data(),
                             counts.data(), starts.data(), MPI_UINT8_T, handle_->comm));
}

struct Messages::Requests {
    std::vector<MPI_Request> all;

    MPI_Request& next() { return all.emplace_back(MPI_REQUEST_NULL); }
};

Messages::Messages(const Group& group) : group_(group), requests_(std::make_unique<Requests>()) {}
// It does not wait for what is still on its way: other ranks may have ended.
Messages::~Messages() = default;

namespace {
constexpr int tag = 1;
}

void Messages::send(std::span<const nn_real> values, int to) {
    MPI_CHECK(MPI_Isend(values.data(), to_count(values.size()), mpi_real(), to, tag,
                        group_.handle().comm, &requests_->next()));
}
void Messages::receive(std::span<nn_real> values, int from) {
    MPI_CHECK(MPI_Irecv(values.data(), to_count(values.size()), mpi_real(), from, tag,
                        group_.handle().comm, &requests_->next()));
}
void Messages::wait() {
    MPI_CHECK(
        MPI_Waitall(to_count(requests_->all.size()), requests_->all.data(), MPI_STATUSES_IGNORE));
    requests_->all.clear();
}
