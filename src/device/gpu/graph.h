// graph.h: CUDA graphs: work that one call gives to the device again and again.
//
// A recorded kernel reads the same addresses and takes the same arguments each time. So a graph is
// found by a key, which must hold every value of the recorded work that may change.
#pragma once
#include <map>
#include <utility>

#include "device/gpu/owned.h"

/// Recorded work.
class GpuGraph {
  public:
    /// Calls record(), which puts the work on the stream. The stream keeps the work and does not
    /// run it.
    template <class Record>
    GpuGraph(cudaStream_t stream, Record&& record) {
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
        GPU_CHECK(cudaStreamEndCapture(stream, &recorded.graph));
        GPU_CHECK(cudaGraphInstantiate(&graph_, recorded.graph, 0));
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
    /// Launches the graph of `key`. If there is none yet, records it first: record() puts the work
    /// on the stream.
    template <class Record>
    void launch(cudaStream_t stream, const Key& key, Record&& record) {
        auto graph = graphs_.find(key);
        if (graph == graphs_.end()) graph = graphs_.try_emplace(key, stream, record).first;
        graph->second.launch(stream);
    }

  private:
    std::map<Key, GpuGraph> graphs_;
};
