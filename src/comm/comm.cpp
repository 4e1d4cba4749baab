// comm.cpp: the MPI calls, each behind MPI_CHECK.
#include "comm/comm.h"

#include <mpi.h>
#if defined(OPEN_MPI)
#include <mpi-ext.h>
#endif

#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>
#include <numeric>
#include <optional>
#include <type_traits>

#include "base/wait.h"

namespace {

MPI_Datatype mpi_real() { return std::is_same_v<nn_real, double> ? MPI_DOUBLE : MPI_FLOAT; }

constexpr const char* usual_advice =
    "check that all ranks run the same binary, with the same flags, on live nodes";

void mpi_check(int status, const char* call, int line, const char* advice = usual_advice) {
    if (status == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(status, text, &length);
    throw Failure(__FILE__, line, call, std::string(text, static_cast<std::size_t>(length)),
                  advice);
}
#define MPI_CHECK(call) mpi_check((call), #call, __LINE__)

int to_count(std::size_t n) {
    if (n > static_cast<std::size_t>(std::numeric_limits<int>::max()))
        throw InputError("a message of " + std::to_string(n) +
                         " elements is more than MPI can send at once (2147483647): use a smaller "
                         "network (-n) or batch (-b)");
    return static_cast<int>(n);
}

/// The ranks that share memory with this one. To be freed.
MPI_Comm node_comm() {
    MPI_Comm node;
    MPI_CHECK(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node));
    return node;
}

/// How many elements each rank has, and where they begin behind those of the ranks before: on rank
/// 0 alone.
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

Session::Session(int& argc, char**& argv) {
    // Open MPI spins while it waits, so ranks that share a core starve each other: a step then
    // takes 100 to 300 times as long. Waiting ranks yield instead, unless the user has set it
    // otherwise.
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    int provided = MPI_THREAD_SINGLE;
    MPI_CHECK(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided));
    if (provided < MPI_THREAD_FUNNELED)
        throw Failure(__FILE__, __LINE__, "MPI_Init_thread",
                      "this MPI does not allow for threads beside the one that calls it",
                      "use an MPI built with MPI_THREAD_FUNNELED, as all common ones are");
    comm_ = std::make_unique<const Comm>();
}

Session::~Session() { MPI_Finalize(); }

void Session::abort_all(const std::string& message, int code) const {
    std::fprintf(stderr, "main: rank %d of %d: %s\n", comm_->rank(), comm_->size(),
                 message.c_str());
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
}

Comm::Comm() {
    MPI_CHECK(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    MPI_CHECK(MPI_Comm_rank(MPI_COMM_WORLD, &rank_));
    MPI_CHECK(MPI_Comm_size(MPI_COMM_WORLD, &size_));
    MPI_Comm node = node_comm();
    MPI_CHECK(MPI_Comm_rank(node, &node_rank_));
    MPI_CHECK(MPI_Comm_size(node, &node_size_));
    MPI_CHECK(MPI_Comm_free(&node));
}

void Comm::broadcast(std::span<std::uint8_t> bytes) const {
    broadcast_in_pieces(bytes, MPI_UINT8_T);
}
void Comm::broadcast(std::span<std::uint32_t> words) const {
    broadcast_in_pieces(words, MPI_UINT32_T);
}
void Comm::broadcast(std::span<nn_real> values) const { broadcast_in_pieces(values, mpi_real()); }

std::uint64_t Comm::from_root(std::uint64_t value) const {
    MPI_CHECK(MPI_Bcast(&value, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD));
    return value;
}

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
    int first_failed = mine ? rank_ : size_;
    MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &first_failed, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD));
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

struct Scatter::State {
    std::vector<int> counts, starts;  ///< MPI reads them until the end
    MPI_Request request = MPI_REQUEST_NULL;
};
Scatter::Scatter() : state_(std::make_unique<State>()) {}
Scatter::~Scatter() = default;

void Scatter::start(std::span<const std::uint8_t> all, std::span<const int> counts,
                    std::span<std::uint8_t> mine) {
    state_->counts.assign(counts.begin(), counts.end());
    state_->starts.resize(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), state_->starts.begin(), 0);
    MPI_CHECK(MPI_Iscatterv(all.data(), state_->counts.data(), state_->starts.data(), MPI_UINT8_T,
                            mine.data(), to_count(mine.size()), MPI_UINT8_T, 0, MPI_COMM_WORLD,
                            &state_->request));
}
void Scatter::finish() {
    // NOLINTNEXTLINE(clang-analyzer-optin.mpi.MPI-Checker): start() began it, in another call
    MPI_CHECK(MPI_Wait(&state_->request, MPI_STATUS_IGNORE));
}

namespace {

constexpr std::size_t cache_line = 64;
std::size_t whole_lines(std::size_t count) {
    return (count * sizeof(nn_real) + cache_line - 1) / cache_line * cache_line;
}
/// A barrier, the parameters, each rank's gradient, and what it takes to begin on a line.
std::size_t shared_bytes(int ranks, std::size_t count) {
    return 3 * cache_line + (1 + static_cast<std::size_t>(ranks)) * whole_lines(count);
}

/// Whether /dev/shm, where MPI's shared memory comes from on Linux, has room and a tenth to spare.
bool fits_shared_memory(std::size_t bytes) {
    struct statvfs space;
    if (statvfs("/dev/shm", &space) != 0) return true;  // then it comes from elsewhere
    return static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) >=
           1.1 * static_cast<double>(bytes);
}

}  // namespace

struct SharedParameters::State {
    MPI_Win window = MPI_WIN_NULL;
    Barrier* barrier = nullptr;
};

bool SharedParameters::fit(const Comm& comm, std::size_t count) {
    // Where there is no room, Open MPI's rank 0 fails and the others wait for ever.
    return comm.from_root(fits_shared_memory(shared_bytes(comm.size(), count))) != 0;
}

SharedParameters::SharedParameters(const Comm& comm, std::size_t count)
    : state_(std::make_unique<State>()) {
    static_assert(sizeof(Barrier) == 2 * cache_line);
    // Rank 0 asks for all of it.
    const std::size_t bytes = comm.is_root() ? shared_bytes(comm.size(), count) : 0;
    char* start = nullptr;
    mpi_check(MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL,
                                      MPI_COMM_WORLD, &start, &state_->window),
              "MPI_Win_allocate_shared", __LINE__,
              "the system may be out of memory to share: use a smaller network (-n), or "
              "--allreduce mpi");
    MPI_CHECK(MPI_Win_set_errhandler(state_->window, MPI_ERRORS_RETURN));
    MPI_Aint size = 0;
    int unit = 0;
    MPI_CHECK(MPI_Win_shared_query(state_->window, 0, &size, &unit, &start));
    start += (cache_line - reinterpret_cast<std::uintptr_t>(start) % cache_line) % cache_line;

    state_->barrier = reinterpret_cast<Barrier*>(start);
    if (comm.is_root()) new (state_->barrier) Barrier(comm.size());
    MPI_CHECK(MPI_Win_lock_all(MPI_MODE_NOCHECK, state_->window));
    MPI_CHECK(MPI_Barrier(MPI_COMM_WORLD));
    start += 2 * cache_line;
    parameters_ = static_cast<nn_real*>(static_cast<void*>(start));
    for (int r = 0; r < comm.size(); ++r) {
        start += whole_lines(count);
        gradients_.push_back(static_cast<nn_real*>(static_cast<void*>(start)));
    }
}

SharedParameters::~SharedParameters() {
    MPI_Win_unlock_all(state_->window);
    MPI_Win_free(&state_->window);
}

void SharedParameters::barrier() { state_->barrier->wait(); }
