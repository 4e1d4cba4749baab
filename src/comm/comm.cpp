// comm.cpp: the collectives, each behind MPI_CHECK.
#include "comm/comm.h"

#include "comm/checked.h"
#if defined(OPEN_MPI)
#include <mpi-ext.h>
#endif

#include <algorithm>
#include <numeric>
#include <optional>

#include "comm/node_memory.h"

namespace {

/// The communicator of the ranks that share memory with this one. The caller must free it.
MPI_Comm node_comm() {
    MPI_Comm node;
    MPI_CHECK(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node));
    return node;
}

/// The number of elements of each rank, and where they begin behind those of the ranks before. Only
/// rank 0 has these.
struct Lengths {
    std::vector<int> counts, starts;
};
Lengths gather_lengths(int mine, int ranks) {
    Lengths lengths{std::vector<int>(static_cast<std::size_t>(ranks)),
                    std::vector<int>(static_cast<std::size_t>(ranks))};
    MPI_CHECK(MPI_Gather(&mine, 1, MPI_INT, lengths.counts.data(), 1, MPI_INT, 0, MPI_COMM_WORLD));
    std::exclusive_scan(lengths.counts.begin(), lengths.counts.end(), lengths.starts.begin(), 0);
    return lengths;
}

template <class T>
void broadcast_in_pieces(std::span<T> values, MPI_Datatype type) {
    constexpr std::size_t piece = std::size_t{1} << 30;
    for (std::size_t at = 0; at < values.size(); at += piece)
        MPI_CHECK(MPI_Bcast(values.data() + at, to_count(std::min(piece, values.size() - at)), type,
                            0, MPI_COMM_WORLD));
}

}  // namespace

Comm::Comm() {
    MPI_CHECK(MPI_Comm_rank(MPI_COMM_WORLD, &rank_));
    MPI_CHECK(MPI_Comm_size(MPI_COMM_WORLD, &size_));
    MPI_Comm node = node_comm();
    MPI_CHECK(MPI_Comm_rank(node, &node_rank_));
    MPI_CHECK(MPI_Comm_size(node, &node_size_));
    MPI_CHECK(MPI_Comm_free(&node));
}

Comm::~Comm() = default;

void Comm::broadcast(std::span<std::uint8_t> bytes) const {
    broadcast_in_pieces(bytes, MPI_UINT8_T);
}
void Comm::broadcast(std::span<nn_real> values) const { broadcast_in_pieces(values, mpi_real()); }

void Comm::sum(nn_real* values, std::size_t count) const {
    MPI_CHECK(
        MPI_Allreduce(MPI_IN_PLACE, values, to_count(count), mpi_real(), MPI_SUM, MPI_COMM_WORLD));
}

double Comm::sum(double value) const {
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD));
    return value;
}

void Comm::sum_on_node(std::span<int> values) const {
    MPI_Comm node = node_comm();
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, values.data(), to_count(values.size()), MPI_INT, MPI_SUM,
                            node));
    MPI_CHECK(MPI_Comm_free(&node));
}

int Comm::least(int value) const {
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD));
    return value;
}

bool Comm::all(bool value) const {
    int everywhere = value;
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &everywhere, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD));
    return everywhere != 0;
}

void Comm::gather(std::span<const nn_real> mine, std::span<nn_real> all) const {
    const int count = to_count(mine.size());
    const auto [counts, starts] = gather_lengths(count, size_);
    MPI_CHECK(MPI_Gatherv(mine.data(), count, mpi_real(), all.data(), counts.data(), starts.data(),
                          mpi_real(), 0, MPI_COMM_WORLD));
}

std::vector<std::string> Comm::gather(const std::string& line) const {
    const int length = to_count(line.size());
    const auto [lengths, starts] = gather_lengths(length, size_);
    std::string text(is_root() ? static_cast<std::size_t>(starts.back() + lengths.back()) : 0, ' ');
    MPI_CHECK(MPI_Gatherv(line.data(), length, MPI_CHAR, text.data(), lengths.data(), starts.data(),
                          MPI_CHAR, 0, MPI_COMM_WORLD));
    std::vector<std::string> lines;
    for (std::size_t r = 0; is_root() && r < lengths.size(); ++r)
        lines.push_back(
            text.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(lengths[r])));
    return lines;
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
    if (!NodeMemory::fit(*this, bytes)) return nullptr;
    node_memory_.push_back(std::make_unique<NodeMemory>(*this, bytes, waiters));
    return node_memory_.back().get();
}
