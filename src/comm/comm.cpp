// comm.cpp: the collectives, each behind MPI_CHECK.
#include "comm/comm.h"

#include "base/range.h"
#include "comm/handle.h"
#if defined(OPEN_MPI)
#include <mpi-ext.h>
#endif

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "comm/node_memory.h"
#include "comm/window.h"

namespace {

/// The ranks of this machine; a part of them if `ranks_per_node` is not 0. Their order is that of
/// MPI_COMM_WORLD.
std::unique_ptr<const Group> ranks_of_node(int ranks_per_node, int& nodes_here) {
    MPI_Comm comm = MPI_COMM_NULL;
    MPI_CHECK(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &comm));
    auto machine = std::make_unique<Group>(std::make_unique<Group::Handle>(comm));
    if (ranks_per_node == 0) return machine;
    nodes_here = ceil_div(machine->size(), ranks_per_node);
    MPI_CHECK(MPI_Comm_split(machine->handle().comm, machine->rank() / ranks_per_node, 0, &comm));
    return std::make_unique<Group>(std::make_unique<Group::Handle>(comm));
}

std::unique_ptr<const Group> split(MPI_Comm from, int colour, int key) {
    MPI_Comm comm = MPI_COMM_NULL;
    MPI_CHECK(MPI_Comm_split(from, colour, key, &comm));
    return std::make_unique<Group>(std::make_unique<Group::Handle>(comm));
}

/// The number of elements of each rank, and where they begin behind those of the ranks before. Only
/// rank 0 has these.
struct Lengths {
    std::vector<int> counts, starts;
};
Lengths gather_lengths(int mine, const Group& group) {
    const auto ranks = static_cast<std::size_t>(group.size());
    Lengths lengths{std::vector<int>(ranks), std::vector<int>(ranks)};
    MPI_CHECK(
        MPI_Gather(&mine, 1, MPI_INT, lengths.counts.data(), 1, MPI_INT, 0, group.handle().comm));
    std::exclusive_scan(lengths.counts.begin(), lengths.counts.end(), lengths.starts.begin(), 0);
    return lengths;
}

template <class T>
void broadcast_in_pieces(const Group& group, std::span<T> values, MPI_Datatype type) {
    constexpr std::size_t piece = std::size_t{1} << 30;
    for (std::size_t at = 0; at < values.size(); at += piece)
        MPI_CHECK(MPI_Bcast(values.data() + at, to_count(std::min(piece, values.size() - at)), type,
                            0, group.handle().comm));
}

}  // namespace

Comm::Comm(int ranks_per_node) : on_node_(ranks_of_node(ranks_per_node, nodes_here_)) {
    node_rank_ = on_node_->rank();
    node_size_ = on_node_->size();
    // Nodes are numbered in the order of their first ranks.
    const int first_of_node = node_rank_ == 0 ? 1 : 0;
    MPI_CHECK(MPI_Allreduce(&first_of_node, &nodes_, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD));
    int first_ranks_so_far = 0;
    MPI_CHECK(MPI_Scan(&first_of_node, &first_ranks_so_far, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD));
    node_ = first_ranks_so_far - 1;
    MPI_CHECK(MPI_Bcast(&node_, 1, MPI_INT, 0, on_node_->handle().comm));
    all_ = split(MPI_COMM_WORLD, 0, node_);
    across_ = split(MPI_COMM_WORLD, node_rank_, node_);
    rank_ = all_->rank();
    size_ = all_->size();
}

Comm::~Comm() = default;

void Comm::broadcast(std::span<std::uint8_t> bytes) const {
    broadcast_in_pieces(*all_, bytes, MPI_UINT8_T);
}
void Comm::broadcast(std::span<nn_real> values) const {
    broadcast_in_pieces(*all_, values, mpi_real());
}

double Comm::sum(double value) const {
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, all_->handle().comm));
    return value;
}

void Comm::sum_on_node(std::span<int> values) const {
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, values.data(), to_count(values.size()), MPI_INT, MPI_SUM,
                            on_node_->handle().comm));
}

int Comm::least(int value) const {
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT, MPI_MIN, all_->handle().comm));
    return value;
}

bool Comm::all(bool value) const {
    int everywhere = value;
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &everywhere, 1, MPI_INT, MPI_LAND, all_->handle().comm));
    return everywhere != 0;
}

void Comm::gather(std::span<const nn_real> mine, std::span<nn_real> all) const {
    const int count = to_count(mine.size());
    const auto [counts, starts] = gather_lengths(count, *all_);
    MPI_CHECK(MPI_Gatherv(mine.data(), count, mpi_real(), all.data(), counts.data(), starts.data(),
                          mpi_real(), 0, all_->handle().comm));
}

std::vector<std::string> Comm::gather(const std::string& line) const {
    const int length = to_count(line.size());
    const auto [lengths, starts] = gather_lengths(length, *all_);
    std::string text(is_root() ? static_cast<std::size_t>(starts.back() + lengths.back()) : 0, ' ');
    MPI_CHECK(MPI_Gatherv(line.data(), length, MPI_CHAR, text.data(), lengths.data(), starts.data(),
                          MPI_CHAR, 0, all_->handle().comm));
    std::vector<std::string> lines;
    for (std::size_t r = 0; is_root() && r < lengths.size(); ++r)
        lines.push_back(
            text.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(lengths[r])));
    return lines;
}

namespace {

double seconds_now() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since).count();
}

/// Asks rank `other` for its time, several times, and trusts the quickest answer.
double clock_ahead(MPI_Comm comm, int other) {
    double quickest = std::numeric_limits<double>::infinity(), ahead = 0;
    for (int question = 0; question < 16; ++question) {
        double there = 0;
        const double asked = seconds_now();
        MPI_CHECK(MPI_Sendrecv(nullptr, 0, MPI_BYTE, other, 0, &there, 1, MPI_DOUBLE, other, 0,
                               comm, MPI_STATUS_IGNORE));
        const double took = seconds_now() - asked;
        if (took >= quickest) continue;
        quickest = took;
        ahead = there - (asked + took / 2);
    }
    return std::abs(ahead) <= quickest / 2 ? 0 : ahead;
}

void answer_clock(MPI_Comm comm) {
    for (int question = 0; question < 16; ++question) {
        MPI_CHECK(MPI_Recv(nullptr, 0, MPI_BYTE, 0, 0, comm, MPI_STATUS_IGNORE));
        const double now = seconds_now();
        MPI_CHECK(MPI_Send(&now, 1, MPI_DOUBLE, 0, 0, comm));
    }
}

}  // namespace

std::vector<double> Comm::clocks_ahead() const {
    const MPI_Comm comm = all_->handle().comm;
    if (!is_root()) {
        answer_clock(comm);
        return {};
    }
    std::vector<double> ahead{0};
    for (int other = 1; other < size_; ++other) ahead.push_back(clock_ahead(comm, other));
    return ahead;
}

void Comm::together(const std::function<void()>& action) const {
    std::optional<InputError> mine;
    try {
        action();
    } catch (const InputError& error) {
        mine = error;
    }
    const int first_failed = least(mine ? rank_ : size_);
    if (first_failed == rank_) throw *mine;
    if (first_failed < size_) throw InputErrorElsewhere{};
}

std::string Comm::host_name() {
    char name[MPI_MAX_PROCESSOR_NAME];
    int length = 0;
    MPI_CHECK(MPI_Get_processor_name(name, &length));
    return {name, static_cast<std::size_t>(length)};
}

bool Comm::is_cuda_aware() {
#if defined(MPIX_CUDA_AWARE_SUPPORT)
    return MPIX_Query_cuda_support() == 1;
#else
    return false;
#endif
}

std::string Comm::library_version() {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_CHECK(MPI_Get_library_version(text, &length));
    const std::string whole(text, static_cast<std::size_t>(length));
    return whole.substr(0, whole.find_first_of(",\n"));
}

NodeMemory* Comm::node_memory(std::size_t bytes, int waiters) const {
    // If there is no room, Open MPI's first rank fails and the others wait for ever.
    if (!all(NodeMemory::fit(bytes * static_cast<std::size_t>(nodes_here_)))) return nullptr;
    node_memory_.push_back(std::make_unique<NodeMemory>(*on_node_, bytes, waiters));
    return node_memory_.back().get();
}

Window& Comm::window(std::size_t numbers, std::size_t values) const {
    window_.reset();
    together([&] {
        if (is_root() && !NodeMemory::fit(Window::bytes(numbers, values)))
            throw InputError(
                "--sync async: too little room in /dev/shm for the parameters; give it more "
                "(docker run --shm-size), or use --sync every-step");
    });
    window_ = std::make_unique<Window>(*all_, numbers, values, nodes_ == 1);
    return *window_;
}
