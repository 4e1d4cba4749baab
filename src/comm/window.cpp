// window.cpp: one window of MPI. Who visits takes a number, and waits until it is called.
//
// MPI's own exclusive lock is not taken: in Open MPI 4.1 whoever asks first again gets it, and one
// rank can wait for ever while another comes and goes. With numbers, all get their turns.
#include "comm/window.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "comm/handle.h"

namespace {

constexpr int owner = 0;
// The memory, in bytes: the next visitor's number, the number that is called, the numbers, the
// values. Each begins on a cache line.
constexpr std::size_t next_at = 0, called_at = cache_line;
constexpr std::size_t numbers_at = 2 * cache_line;

std::size_t begin_of_values(std::size_t numbers) {
    const std::size_t lines = (numbers * sizeof(std::int64_t) + cache_line - 1) / cache_line;
    return numbers_at + lines * cache_line;
}

}  // namespace

struct Window::Handle {
    MPI_Win window = MPI_WIN_NULL;
};

std::size_t Window::bytes(std::size_t numbers, std::size_t values) {
    return begin_of_values(numbers) + values * sizeof(nn_real);
}

Window::Window(const Group& group, std::size_t numbers, std::size_t values, bool is_shared)
    : group_(group),
      handle_(std::make_unique<Handle>()),
      is_shared_(is_shared),
      values_at_(begin_of_values(numbers)) {
    const std::size_t mine = group.rank() == owner ? bytes(numbers, values) : 0;
    void* start = nullptr;
    // By itself, Open MPI 4.1 may send messages for it even where ranks share memory.
    const auto allocate = is_shared ? MPI_Win_allocate_shared : MPI_Win_allocate;
    mpi_check(allocate(static_cast<MPI_Aint>(mine), 1, MPI_INFO_NULL, group.handle().comm, &start,
                       &handle_->window),
              "MPI_Win_allocate", __FILE__, __LINE__,
              is_shared ? "the system may be out of memory to share: use a smaller network (-n), "
                          "or --sync local:H"
                        : "this MPI may have no one-sided calls between these nodes (with "
                          "Open MPI, see OMPI_MCA_osc), or no memory for them: use --sync local:H");
    MPI_CHECK(MPI_Win_set_errhandler(handle_->window, MPI_ERRORS_RETURN));
    if (mine > 0) std::memset(start, 0, mine);
    MPI_CHECK(MPI_Barrier(group.handle().comm));
    MPI_CHECK(MPI_Win_lock_all(0, handle_->window));
}

Window::~Window() {
    MPI_Win_unlock_all(handle_->window);
    MPI_Win_free(&handle_->window);
}

/// Adds `change` to the number `at` bytes from the start; returns what was there.
std::int64_t Window::add_to(std::size_t at, std::int64_t change) {
    std::int64_t before = 0;
    MPI_CHECK(MPI_Fetch_and_op(&change, &before, MPI_INT64_T, owner, static_cast<MPI_Aint>(at),
                               change == 0 ? MPI_NO_OP : MPI_SUM, handle_->window));
    MPI_CHECK(MPI_Win_flush(owner, handle_->window));
    return before;
}

void Window::visit(const std::function<void(Visit&)>& action) {
    constexpr int looks = 20;  // before it sleeps: most visits are short
    const std::int64_t mine = add_to(next_at, 1);
    for (int look = 0; add_to(called_at, 0) != mine; ++look) {
        if (look >= looks)
            rest();
        else
            std::this_thread::yield();
    }
    Visit visit(*this);
    action(visit);
    MPI_CHECK(MPI_Win_flush(owner, handle_->window));
    add_to(called_at, 1);
    serve();
}

/// On the rank that has the memory: lets those visit who have a number now, each once.
void Window::serve() {
    if (is_shared_ || group_.rank() != owner) return;
    constexpr int calls = 20;  // of MPI, so that who asks for a number gets it
    for (int call = 0; call < calls; ++call) progress();
    const std::int64_t last = add_to(next_at, 0);
    while (add_to(called_at, 0) < last) {
        progress();
        std::this_thread::yield();
    }
}

void Window::progress() {
    int found = 0;
    const MPI_Comm comm = group_.handle().comm;
    MPI_CHECK(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &found, MPI_STATUS_IGNORE));
}

void Window::rest() {
    progress();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
}

void Window::Visit::read(std::span<std::int64_t> numbers) {
    const int count = to_count(numbers.size());
    const MPI_Win window = window_.handle_->window;
    MPI_CHECK(
        MPI_Get(numbers.data(), count, MPI_INT64_T, owner, numbers_at, count, MPI_INT64_T, window));
    MPI_CHECK(MPI_Win_flush(owner, window));
}
void Window::Visit::write(std::span<const std::int64_t> numbers) {
    const int count = to_count(numbers.size());
    MPI_CHECK(MPI_Put(numbers.data(), count, MPI_INT64_T, owner, numbers_at, count, MPI_INT64_T,
                      window_.handle_->window));
}
void Window::Visit::read(std::span<nn_real> values) {
    const int count = to_count(values.size());
    MPI_CHECK(MPI_Get(values.data(), count, mpi_real(), owner,
                      static_cast<MPI_Aint>(window_.values_at_), count, mpi_real(),
                      window_.handle_->window));
}
void Window::Visit::write(std::span<const nn_real> values) {
    const int count = to_count(values.size());
    MPI_CHECK(MPI_Put(values.data(), count, mpi_real(), owner,
                      static_cast<MPI_Aint>(window_.values_at_), count, mpi_real(),
                      window_.handle_->window));
}
void Window::Visit::add(std::span<const nn_real> values) {
    const int count = to_count(values.size());
    MPI_CHECK(MPI_Accumulate(values.data(), count, mpi_real(), owner,
                             static_cast<MPI_Aint>(window_.values_at_), count, mpi_real(), MPI_SUM,
                             window_.handle_->window));
}
