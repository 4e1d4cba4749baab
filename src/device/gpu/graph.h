// graph.h: CUDA graphs: work that one call gives to the device again and again.
//
// A recorded kernel reads the same addresses and takes the same arguments each time. So a graph is
// found by a key, which must hold every value of the recorded work that may change. A graph costs
// host and device memory, a node about 1 KB of each. Where there is none left, work goes to the
// device without a graph.
#pragma once
#include <map>
#include <optional>
#include <utility>

#include "device/gpu/owned.h"

/// Recorded work.
class GpuGraph {
  public:
    /// Calls record(), which puts the work on the stream. The stream keeps the work and does not
    /// run it. Returns nothing if there is no memory for the graph.
    template <class Record>
    static std::optional<GpuGraph> recorded(cudaStream_t stream, Record&& record) {
        // Relaxed: a kernel that was never launched before may be loaded by its recording.
        GPU_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
        Recorded recorded;
        try {
            record();
        } catch (...) {  // the stream must not go on recording
            cudaStreamEndCapture(stream, &recorded.graph);
            cudaGetLastError();
            throw;
        }
        GpuGraph made;
        if (!had_memory(cudaStreamEndCapture(stream, &recorded.graph)) ||
            !had_memory(cudaGraphInstantiate(&made.graph_, recorded.graph, 0)) ||
            !had_memory(cudaGraphUpload(made.graph_, stream)))  // else the first launch would ask
            return std::nullopt;
        return made;
    }
    ~GpuGraph() {
        if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
    }
    GpuGraph(GpuGraph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
    GpuGraph(const GpuGraph&) = delete;
    GpuGraph& operator=(const GpuGraph&) = delete;
    GpuGraph& operator=(GpuGraph&&) = delete;

    void launch(cudaStream_t stream) const { GPU_CHECK(cudaGraphLaunch(graph_, stream)); }

  private:
    GpuGraph() = default;
    /// Any other error is thrown.
    static bool had_memory(cudaError_t status) {
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();  // clears the error: the next check must not see it
            return false;
        }
        GPU_CHECK(status);
        return true;
    }
    struct Recorded {
        cudaGraph_t graph = nullptr;
        ~Recorded() {
            if (graph != nullptr) cudaGraphDestroy(graph);
        }
    };
    cudaGraphExec_t graph_{};
};

/// Graphs by the keys of their work. Key: ordered by <.
template <class Key>
class GpuGraphs {
  public:
    /// Launches the graph of `key`, which does `what`. If there is none yet, records it first:
    /// record() puts the work on the stream. If there is no memory for it, the work goes there as
    /// it is.
    template <class Record>
    void launch(cudaStream_t stream, const Key& key, const char* what, Record&& record) {
        gpu_last_graph = what;
        auto graph = graphs_.find(key);
        if (graph == graphs_.end())
            graph = graphs_.emplace(key, GpuGraph::recorded(stream, record)).first;
        if (graph->second)
            graph->second->launch(stream);
        else
            record();
    }

  private:
    std::map<Key, std::optional<GpuGraph>> graphs_;
};
