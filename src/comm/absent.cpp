// absent.cpp: src/comm for exactly one process, without any MPI.
//
// It is linked instead of the rest of the folder. The same training loop then is a program without
// MPI, which shows what MPI costs if there is one rank and nothing to send. With one rank, this
// rank already has the result of every broadcast, sum and agreement.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "comm/node_memory.h"
#include "comm/running_sums.h"
#include "comm/scatter.h"
#include "comm/session.h"
#include "comm/window.h"

namespace {

/// If mpirun started several processes, each would take itself for the only one, and measure and
/// write the same.
void refuse_more_ranks() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
        const char* ranks = std::getenv(name);
        if (ranks != nullptr && std::atoi(ranks) > 1)
            throw InputError(std::string("this is the build without MPI, and ") + name + " is " +
                             ranks + "; start it without mpirun, or use ./main");
    }
}

}  // namespace

Session::Session(int&, char**&) { refuse_more_ranks(); }

Session::~Session() = default;

std::vector<std::string> Session::exchange(const std::string& mine) const { return {mine}; }

const Comm& Session::join(int) {
    comm_ = std::make_unique<const Comm>();
    return *comm_;
}

void Session::abort_all(const std::string& message, int code) const {
    std::fprintf(stderr, "main: %s\n", message.c_str());
    std::fflush(nullptr);
    std::_Exit(code);
}

struct Group::Handle {};
Group::Group(std::unique_ptr<Handle>) {}
Group::~Group() = default;
void Group::sum(std::span<nn_real>) const {}
void Group::broadcast(std::span<std::uint8_t>) const {}
void Group::gather_everywhere(std::span<const std::uint8_t> mine, std::span<const int>,
                              std::span<std::uint8_t> all) const {
    std::ranges::copy(mine, all.begin());
}

// One rank has nobody to send to.
struct Messages::Requests {};
Messages::Messages(const Group& group) : group_(group) {}
Messages::~Messages() = default;
void Messages::send(std::span<const nn_real>, int) {}
void Messages::receive(std::span<nn_real>, int) {}
void Messages::wait() {}

// One rank's values are their sums.
struct RunningSums::Requests {};
RunningSums::RunningSums(const Group& group) : group_(group) {}
RunningSums::~RunningSums() = default;
void RunningSums::start(std::span<nn_real>) {}
std::size_t RunningSums::count() const { return 0; }
bool RunningSums::oldest_is_complete() { return true; }
void RunningSums::wait_for_oldest() {}

Comm::Comm(int)
    : all_(std::make_unique<Group>(nullptr)), across_(std::make_unique<Group>(nullptr)) {}
Comm::~Comm() = default;

void Comm::broadcast(std::span<std::uint8_t>) const {}
void Comm::broadcast(std::span<nn_real>) const {}

double Comm::sum(double value) const { return value; }
void Comm::sum_on_node(std::span<int>) const {}
bool Comm::all(bool value) const { return value; }
int Comm::least(int value) const { return value; }

void Comm::gather(std::span<const nn_real> mine, std::span<nn_real> all) const {
    std::ranges::copy(mine, all.begin());
}
std::vector<std::string> Comm::gather(const std::string& line) const { return {line}; }

std::vector<double> Comm::clocks_ahead() const { return {0}; }

void Comm::together(const std::function<void()>& action) const { action(); }

std::string Comm::host_name() { return "this machine"; }
bool Comm::is_cuda_aware() { return false; }
std::string Comm::library_version() { return "none (built without)"; }

struct Scatter::State {};
Scatter::Scatter(const Group& group) : group_(group) {}
Scatter::~Scatter() = default;
void Scatter::start(std::span<const std::uint8_t> all, std::span<const int> counts,
                    std::span<std::uint8_t> mine) {
    std::copy_n(all.begin(), counts[0], mine.begin());
}
void Scatter::finish() {}

// One process shares memory with no other, and never calls these.
struct NodeMemory::Window {};
bool NodeMemory::fit(std::size_t) { return false; }
NodeMemory::NodeMemory(const Group&, std::size_t, int) {}
NodeMemory::~NodeMemory() = default;
NodeMemory* Comm::node_memory(std::size_t, int) const { return nullptr; }

// One rank alone is never asynchronous.
struct Window::Handle {};
Window::~Window() = default;
void Window::visit(const std::function<void(Visit&)>&) {}
void Window::rest() {}
void Window::Visit::read(std::span<std::int64_t>) {}
void Window::Visit::write(std::span<const std::int64_t>) {}
void Window::Visit::read(std::span<nn_real>) {}
void Window::Visit::write(std::span<const nn_real>) {}
void Window::Visit::add(std::span<const nn_real>) {}
Window& Comm::window(std::size_t, std::size_t) const {
    throw InputError("this is the build without MPI; use ./main");
}
