// nccl_imitation.cpp: libnccl.so.2 for the kernel runner: sums over the processes of one machine.
//
// Written apart from the product, by NVIDIA's "NCCL User Guide". Values go through memory that the
// ranks share, and each adds them up from the last rank to the first, in double. It is stricter
// than NCCL: what NCCL leaves undefined ends the process with one line. Ranks with an even number
// sum as late as the runner does all, those with an odd one as soon as they may: a missing wait
// before a sum shows, and one behind it. GPUHOST_NCCL_VERSION=2307: the version that it says it
// has.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "gpuhost_runtime.h"

namespace {

enum Result { success = 0, system_error = 2, invalid_argument = 4, invalid_usage = 5, remote = 6 };
constexpr int sum_op = 0, float32 = 7, float64 = 8;
constexpr int most_ranks = 16;
constexpr std::size_t slot_bytes = std::size_t{1} << 16;

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "gpuhost: NCCL: %s\n", what);
    std::abort();
}

/// What the ranks share; all zeros at first. A sum goes by pieces of a slot. All have `arrived`
/// when each has written its slot, and `left` when each has read all slots.
struct Shared {
    std::atomic<int> seated, leaving;
    std::atomic<std::uint64_t> arrived, left;
    struct Seat {
        std::atomic<pid_t> process;
        std::atomic<bool> aborted;
        char uuid[16];
        std::uint64_t bytes;  ///< of the piece in the slot
    } seats[most_ranks];
    alignas(64) char slots[most_ranks][slot_bytes];
};

struct Ranks {
    Shared* shared;
    int rank, count, device;
    std::uint64_t pieces = 0;  ///< that this rank has summed
    int under_way = 0;
    Result error = success;
    bool aborted = false;

    Ranks(Shared* s, int r, int n)
        : shared(s), rank(r), count(n), device(gpuhost::current_device) {}
    ~Ranks() { munmap(shared, sizeof *shared); }
    Ranks(const Ranks&) = delete;
    Ranks& operator=(const Ranks&) = delete;

    bool all_have(const std::atomic<std::uint64_t>& come, std::uint64_t times) const {
        return come.load() >= times * static_cast<std::uint64_t>(count);
    }
    bool one_has_ended() const {
        for (int r = 0; r < count; ++r) {
            const Shared::Seat& seat = shared->seats[r];
            if (seat.aborted || (kill(seat.process, 0) != 0 && errno == ESRCH)) return true;
        }
        return false;
    }
};

/// One ncclAllReduce, as far as it has come.
struct Sum {
    std::shared_ptr<Ranks> ranks;
    const char* from;
    char* to;
    std::size_t bytes;
    bool in_double;
    std::size_t at = 0;
    bool is_written = false;  ///< the piece

    std::size_t piece() const { return std::min(slot_bytes, bytes - at); }

    /// What a stream tries until it returns true. A kernel of a rank that has ended is never done.
    bool advance() {
        if (!gpuhost::device_holds(from, bytes) || !gpuhost::device_holds(to, bytes))
            gpuhost::die_of_freed_memory("a sum of NCCL");
        while (at < bytes && !ranks->aborted) {
            if (ranks->error != success || !(is_written ? read() : write())) {
                if (ranks->one_has_ended()) ranks->error = remote;
                return false;
            }
        }
        --ranks->under_way;
        return true;
    }
    bool write() {
        Shared& shared = *ranks->shared;
        if (!ranks->all_have(shared.left, ranks->pieces)) return false;
        std::memcpy(shared.slots[ranks->rank], from + at, piece());
        shared.seats[ranks->rank].bytes = piece();
        ++shared.arrived;
        return is_written = true;
    }
    bool read() {
        Shared& shared = *ranks->shared;
        if (!ranks->all_have(shared.arrived, ranks->pieces + 1)) return false;
        for (int r = 0; r < ranks->count; ++r)
            if (shared.seats[r].bytes != piece()) die("the ranks sum arrays of different sizes");
        in_double ? add_up<double>() : add_up<float>();
        ++shared.left;
        ++ranks->pieces;
        at += piece();
        is_written = false;
        return true;
    }
    template <class Real>
    void add_up() const {
        for (std::size_t i = 0; i < piece(); i += sizeof(Real)) {
            double sum = 0;
            for (int r = ranks->count - 1; r >= 0; --r) {
                Real value;
                std::memcpy(&value, ranks->shared->slots[r] + i, sizeof value);
                sum += static_cast<double>(value);
            }
            const auto rounded = static_cast<Real>(sum);
            std::memcpy(to + at + i, &rounded, sizeof rounded);
        }
    }
};

/// Null where the system gives none.
Shared* shared_memory(const char* name) {
    const int file = shm_open(name, O_CREAT | O_RDWR, 0600);
    if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) return nullptr;
    void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? nullptr : static_cast<Shared*>(memory);
}

bool two_have_one_device(const Shared& shared, int count) {
    for (int r = 0; r < count; ++r)
        for (int other = 0; other < r; ++other)
            if (std::memcmp(shared.seats[r].uuid, shared.seats[other].uuid, 16) == 0) return true;
    return false;
}

}  // namespace

struct ncclComm {
    std::shared_ptr<Ranks> ranks;
};
struct ncclUniqueId {
    char internal[128];
};

extern "C" {

Result ncclGetVersion(int* version) {
    const char* const asked = std::getenv("GPUHOST_NCCL_VERSION");
    *version = asked != nullptr ? std::atoi(asked) : 22809;
    return success;
}

Result ncclGetUniqueId(ncclUniqueId* id) {
    static int made = 0;
    *id = {};
    std::snprintf(id->internal, sizeof id->internal, "/gpuhost-nccl-%d-%d", getpid(), ++made);
    return success;
}

Result ncclCommInitRank(ncclComm** comm, int count, ncclUniqueId id, int rank) {
    if (count < 1 || count > most_ranks || rank < 0 || rank >= count) return invalid_argument;
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, gpuhost::current_device) != cudaSuccess)
        return invalid_usage;
    Shared* const shared = shared_memory(id.internal);
    if (shared == nullptr) return system_error;
    shared->seats[rank].process = getpid();
    std::memcpy(shared->seats[rank].uuid, properties.uuid.bytes, 16);
    ++shared->seated;
    while (shared->seated != count) std::this_thread::yield();
    if (rank == 0) shm_unlink(id.internal);
    *comm = new ncclComm{std::make_shared<Ranks>(shared, rank, count)};
    return two_have_one_device(*shared, count) ? invalid_usage : success;
}

Result ncclAllReduce(const void* from, void* to, std::size_t count, int type, int op,
                     ncclComm* comm, cudaStream_t stream) {
    Ranks& ranks = *comm->ranks;
    if (op != sum_op || (type != float32 && type != float64)) return invalid_argument;
    if (stream == nullptr || !gpuhost::is_stream(stream) || gpuhost::captures(stream))
        die("a sum has to be given to a stream that does not capture");
    if (gpuhost::device_of(stream) != ranks.device || gpuhost::current_device != ranks.device)
        die("a sum is given to another device than that of ncclCommInitRank");
    ++ranks.under_way;
    gpuhost::give_attempt(stream, [sum = std::make_shared<Sum>(
                                       comm->ranks, static_cast<const char*>(from),
                                       static_cast<char*>(to), count * (type == float32 ? 4 : 8),
                                       type == float64)] { return sum->advance(); });
    if (ranks.rank % 2 == 1) gpuhost::do_what_can_be_done(stream);
    return success;
}

Result ncclCommGetAsyncError(ncclComm* comm, Result* error) {
    *error = comm->ranks->error;
    return success;
}

/// NCCL's, too, may wait for the other ranks.
Result ncclCommDestroy(ncclComm* comm) {
    Ranks& ranks = *comm->ranks;
    if (ranks.under_way > 0) die("ncclCommDestroy while a sum is under way");
    ++ranks.shared->leaving;
    while (ranks.shared->leaving != ranks.count && !ranks.one_has_ended())
        std::this_thread::yield();
    delete comm;
    return success;
}

Result ncclCommAbort(ncclComm* comm) {
    comm->ranks->aborted = true;
    comm->ranks->shared->seats[comm->ranks->rank].aborted = true;
    delete comm;
    return success;
}

const char* ncclGetErrorString(Result result) {
    switch (result) {
        case success:
            return "no error";
        case system_error:
            return "unhandled system error";
        case invalid_argument:
            return "invalid argument";
        case invalid_usage:
            return "invalid usage";
        case remote:
            return "remote process exited or there was a network error";
    }
    return "unknown result code";
}

}  // extern "C"
