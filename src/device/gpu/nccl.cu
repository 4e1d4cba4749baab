// nccl.cu: see nccl.h.
//
// Sums have a stream of their own, so that the device goes on computing. There, each waits for the
// event of its part. The host waits for an event behind each sum, and before anybody uses it: so
// this is the only place that ever waits for NCCL, and it looks for errors meanwhile. Without that,
// a kernel that waits for a rank that has ended would be waited for without end.
#include "device/gpu/nccl.h"

#include <cstring>
#include <exception>
#include <thread>
#include <type_traits>
#include <vector>

#include "device/gpu/nccl_library.h"
#include "device/gpu/replica_base.h"

namespace {

const nccl::Library& nccl_library() {
    static const nccl::Library opened;
    return opened;
}

void check(nccl::Result result, const char* call, int line) {
    if (result == nccl::Result::success) return;
    throw Failure(__FILE__, line, call, nccl_library().ncclGetErrorString(result),
                  "run again with NCCL_DEBUG=WARN, which says more, or use --allreduce mpi");
}
#define NCCL_CHECK(call) check(nccl_library().call, #call, __LINE__)

int selected(int device) {
    GPU_CHECK(cudaSetDevice(device));
    return device;
}

class SumsOnDevice final : public NcclSums {
  public:
    SumsOnDevice(const NcclId& id, int rank, int ranks, int device) : device_(selected(device)) {
        nccl::UniqueId bytes;
        static_assert(sizeof bytes == sizeof id);
        std::memcpy(&bytes, id.data(), sizeof bytes);
        NCCL_CHECK(ncclCommInitRank(&comm_, ranks, bytes, rank));
    }
    ~SumsOnDevice() override {
        cudaSetDevice(device_);
        if (started_ > finished_ || std::uncaught_exceptions() > 0)
            nccl_library().ncclCommAbort(comm_);
        else
            nccl_library().ncclCommDestroy(comm_);
    }

    void start(const Lent& lent) override {
        GPU_CHECK(cudaSetDevice(device_));
        if (lent.ready != nullptr)
            wait_for(stream_, dynamic_cast<const EventReady&>(*lent.ready).event);
        constexpr auto type =
            std::is_same_v<nn_real, double> ? nccl::DataType::float64 : nccl::DataType::float32;
        nn_real* const values = lent.values.data();
        NCCL_CHECK(ncclAllReduce(values, values, lent.values.size(), type, nccl::Op::sum, comm_,
                                 stream_.get()));
        if (started_ == done_.size()) done_.emplace_back(cudaEventDisableTiming);
        done_[started_++].record(stream_.get());
    }
    void wait_for_oldest() override {
        while (!done_[finished_].is_past()) {
            check_others();
            std::this_thread::yield();
        }
        if (++finished_ == started_) started_ = finished_ = 0;
    }

  private:
    void check_others() const {
        nccl::Result found = nccl::Result::success;
        NCCL_CHECK(ncclCommGetAsyncError(comm_, &found));
        if (found != nccl::Result::in_progress) check(found, "ncclAllReduce", __LINE__);
    }

    int device_;  ///< first: the stream lives on the device selected with it
    GpuStream stream_;
    nccl::Comm* comm_ = nullptr;
    std::vector<GpuEvent> done_;              ///< behind each sum; made when they are first needed
    std::size_t started_ = 0, finished_ = 0;  ///< of those that are not all finished yet
};

}  // namespace

FoundNccl find_nccl() {
    const nccl::Library& found = nccl_library();
    return {nccl::version_text(found.version), found.missing};
}

NcclId make_nccl_id() {
    nccl::UniqueId bytes;
    NCCL_CHECK(ncclGetUniqueId(&bytes));
    NcclId id;
    std::memcpy(id.data(), &bytes, sizeof bytes);
    return id;
}

std::unique_ptr<NcclSums> make_nccl_sums(const NcclId& id, int rank, int ranks, int device) {
    return std::make_unique<SumsOnDevice>(id, rank, ranks, device);
}
