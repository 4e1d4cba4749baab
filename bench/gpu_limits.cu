// gpu_limits.cu: what the model of a GPU and the designs of its kernels hang on, measured.
//
//     gpu_limits [--csv FILE]
//
// (a) what a kernel costs in a graph, with and without programmatic launch; (b) what it costs all
// multiprocessors to wait for each other inside a kernel, by a counter and by flags, and what a
// cluster of blocks pays for it; (c) the rates of tensor cores and of multiply-adds that keep their
// operands in registers; (d) the time of a load from each memory, and how many bytes a second go
// through L2 and DRAM. It runs in a second. It is for a GPU alone: the kernel runner takes block
// after block, so blocks that wait for each other would wait for ever.
// Exit code: 0; 2 where there is no GPU; 3 where a call failed.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "device/gpu/graph.h"
#include "device/gpu/owned.h"
#include "device/gpu/ptx.h"

namespace {

// ------------------------------------------------------------------ kernels

__global__ void empty_kernel() {}

/// An empty kernel that lets the next begin, and waits for the one before.
__global__ void chained_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ unsigned load_acquire(const unsigned* at) {
    unsigned value;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(at) : "memory");
    return value;
}
__device__ void store_release(unsigned* at, unsigned value) {
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(at), "r"(value) : "memory");
}

/// Every block waits for every other, `rounds` times: by a counter that each raises.
__global__ void counter_barrier_kernel(unsigned* counter, int rounds) {
    for (int r = 1; r <= rounds; ++r) {
        __syncthreads();
        if (threadIdx.x == 0) {
            __threadfence();
            atomicAdd(counter, 1u);
            while (load_acquire(counter) < static_cast<unsigned>(r) * gridDim.x) {
            }
        }
        __syncthreads();
    }
}

/// The same by a flag of each block, which one thread each of every block polls.
__global__ void flag_barrier_kernel(unsigned* flags, int rounds) {
    for (int r = 1; r <= rounds; ++r) {
        __syncthreads();
        if (threadIdx.x == 0) store_release(flags + blockIdx.x * 8, static_cast<unsigned>(r));
        if (threadIdx.x < gridDim.x)
            while (load_acquire(flags + threadIdx.x * 8) < static_cast<unsigned>(r)) {
            }
        __syncthreads();
    }
}

/// Every block publishes `words` words and reads those of all others: 4 bytes a thread at a time,
/// the round's number in each word, so that no flag is needed.
__global__ void exchange_kernel(uint4* board, int packs, int rounds, unsigned* sum) {
    unsigned total = 0;
    for (int r = 1; r <= rounds; ++r) {
        uint4* const now = board + (r & 1) * packs * gridDim.x;
        const auto mark = static_cast<unsigned>(r);
        for (int i = static_cast<int>(threadIdx.x); i < packs; i += static_cast<int>(blockDim.x))
            asm volatile("st.relaxed.gpu.global.v4.u32 [%0], {%1, %1, %1, %1};" ::"l"(
                             now + blockIdx.x * packs + i),
                         "r"(mark)
                         : "memory");
        for (int i = static_cast<int>(threadIdx.x); i < packs * static_cast<int>(gridDim.x);
             i += static_cast<int>(blockDim.x)) {
            uint4 v;
            do {
                asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                             : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                             : "l"(now + i)
                             : "memory");
            } while (v.x != mark || v.y != mark || v.z != mark || v.w != mark);
            total += v.x;
        }
        __syncthreads();
    }
    if (total == 12345) *sum = total;
}

/// Blocks of a cluster wait for each other.
__global__ void cluster_barrier_kernel(int rounds) {
#if __CUDA_ARCH__ >= 900
    for (int r = 0; r < rounds; ++r) {
        asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
        asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
    }
#endif
}

constexpr int chains = 8;

// Chips before 8.0 have neither of the two products on tensor cores.
__global__ void bf16_rate_kernel(int rounds, float* out) {
    if constexpr (gpu_compiled_for < 80) return;
    float c[chains][4] = {};
    const unsigned a = threadIdx.x, b = threadIdx.x + 1;
    for (int r = 0; r < rounds; ++r)
#pragma unroll
        for (int i = 0; i < chains; ++i)
            asm volatile(
                "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                "{%4, %4, %4, %4}, {%5, %5}, {%0, %1, %2, %3};"
                : "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])
                : "r"(a), "r"(b));
    float sum = 0;
    for (int i = 0; i < chains; ++i) sum += c[i][0] + c[i][3];
    if (sum == 12345) *out = sum;
}

__global__ void s8_rate_kernel(int rounds, float* out) {
    if constexpr (gpu_compiled_for < 80) return;
    int c[chains][4] = {};
    const unsigned a = threadIdx.x, b = threadIdx.x + 1;
    for (int r = 0; r < rounds; ++r)
#pragma unroll
        for (int i = 0; i < chains; ++i)
            asm volatile(
                "mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {%0, %1, %2, %3}, "
                "{%4, %4, %4, %4}, {%5, %5}, {%0, %1, %2, %3};"
                : "+r"(c[i][0]), "+r"(c[i][1]), "+r"(c[i][2]), "+r"(c[i][3])
                : "r"(a), "r"(b));
    int sum = 0;
    for (int i = 0; i < chains; ++i) sum += c[i][0] + c[i][3];
    if (sum == 12345) *out = static_cast<float>(sum);
}

__global__ void fma_rate_kernel(int rounds, float* out) {
    float c[32];
    const float a = static_cast<float>(threadIdx.x) * 1e-9f, b = 1e-9f;
#pragma unroll
    for (int i = 0; i < 32; ++i) c[i] = static_cast<float>(i);
    for (int r = 0; r < rounds; ++r)
#pragma unroll
        for (int i = 0; i < 32; ++i) c[i] = fmaf(a, c[i], b);
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 32; ++i) sum += c[i];
    if (sum == 12345) *out = sum;
}

/// One thread follows a ring of pointers: each load waits for the one before.
__global__ void chase_kernel(const unsigned* ring, int steps, unsigned* out) {
    unsigned at = 0;
    for (int i = 0; i < steps; ++i)
        asm volatile("ld.global.cg.u32 %0, [%1];" : "=r"(at) : "l"(ring + at));
    *out = at;
}

__global__ void read_kernel(const uint4* from, std::size_t count, unsigned* out) {
    unsigned sum = 0;
    const std::size_t all = static_cast<std::size_t>(gridDim.x) * blockDim.x;
    for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += 4 * all) {
        uint4 v[4] = {};
#pragma unroll
        for (std::size_t u = 0; u < 4; ++u)
            if (i + u * all < count)
                asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
                             : "=r"(v[u].x), "=r"(v[u].y), "=r"(v[u].z), "=r"(v[u].w)
                             : "l"(from + i + u * all));
#pragma unroll
        for (int u = 0; u < 4; ++u) sum += v[u].x ^ v[u].w;
    }
    if (sum == 12345) *out = sum;
}

// ------------------------------------------------------------------ measuring

struct Meter {
    cudaStream_t stream;
    std::FILE* file;
    GpuEvent before{}, after{};

    /// The median seconds of ten runs, after one that warms up.
    double seconds(const std::function<void()>& work) {
        std::vector<double> times;
        work();
        for (int i = 0; i < 10; ++i) {
            before.record(stream);
            work();
            after.record(stream);
            after.wait();
            times.push_back(after.seconds_since(before));
        }
        std::ranges::sort(times);
        return times[times.size() / 2];
    }
    void say(const std::string& what, double value, const char* unit) {
        std::fprintf(file, "%s,%.4f,%s\n", what.c_str(), value, unit);
        std::fflush(file);
    }
};

/// Launches with one attribute, or none.
template <class... Params, class... Args>
cudaError_t launch_with(const std::vector<cudaLaunchAttribute>& attributes, dim3 grid, dim3 block,
                        cudaStream_t stream, void (*kernel)(Params...), Args... args) {
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.stream = stream;
    config.attrs = const_cast<cudaLaunchAttribute*>(attributes.data());
    config.numAttrs = static_cast<unsigned>(attributes.size());
    return cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...);
}

void measure_nodes(Meter& meter, int blocks) {
    constexpr int nodes = 200;
    const auto plain = GpuGraph::recorded(meter.stream, [&] {
        for (int i = 0; i < nodes; ++i)
            GPU_CHECK(launch_with({}, dim3(static_cast<unsigned>(blocks)), dim3(256), meter.stream,
                                  empty_kernel));
    });
    cudaLaunchAttribute early{};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    const auto chained = GpuGraph::recorded(meter.stream, [&] {
        for (int i = 0; i < nodes; ++i)
            GPU_CHECK(launch_with({early}, dim3(static_cast<unsigned>(blocks)), dim3(256),
                                  meter.stream, chained_kernel));
    });
    const std::string with = " of " + std::to_string(blocks) + " blocks in a graph";
    meter.say("kernel" + with,
              meter.seconds([&] { plain.value().launch(meter.stream); }) / nodes * 1e6, "us");
    meter.say("kernel" + with + "; programmatic launch",
              meter.seconds([&] { chained.value().launch(meter.stream); }) / nodes * 1e6, "us");
}

void measure_barriers(Meter& meter, int multiprocessors) {
    constexpr int rounds = 1000;
    DeviceArray<unsigned> flags(8 * 1024);
    const auto each = [&](auto work) {
        return meter.seconds([&] {
            flags.fill_bytes(0, meter.stream);
            work();
        }) / rounds *
               1e6;
    };
    // One block a multiprocessor is resident with all others, for the device is ours.
    for (const int blocks : {16, 66, multiprocessors}) {
        const std::string of = " of " + std::to_string(blocks) + " blocks";
        const dim3 grid(static_cast<unsigned>(blocks));
        const auto cooperative = [&](auto kernel, auto... args) {
            cudaLaunchAttribute together{};
            together.id = cudaLaunchAttributeCooperative;
            together.val.cooperative = 1;
            GPU_CHECK(launch_with({together}, grid, dim3(256), meter.stream, kernel, args...));
        };
        meter.say("barrier by a counter" + of,
                  each([&] { cooperative(counter_barrier_kernel, flags.data(), rounds); }), "us");
        meter.say("barrier by flags" + of,
                  each([&] { cooperative(flag_barrier_kernel, flags.data(), rounds); }), "us");
        for (const int packs : {1, 4, 16, 60}) {
            DeviceArray<uint4> board(static_cast<std::size_t>(2 * packs * blocks));
            meter.say("all-to-all of " + std::to_string(16 * packs) + " bytes a block" + of,
                      each([&] {
                          board.fill_bytes(0, meter.stream);
                          cooperative(exchange_kernel, board.data(), packs, rounds, flags.data());
                      }),
                      "us");
        }
    }
    for (const int blocks : {2, 8, 16}) {
        cudaLaunchAttribute cluster{};
        cluster.id = cudaLaunchAttributeClusterDimension;
        cluster.val.clusterDim.x = static_cast<unsigned>(blocks);
        cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
        if (blocks > 8)
            GPU_CHECK(cudaFuncSetAttribute(cluster_barrier_kernel,
                                           cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
        meter.say(
            "barrier of a cluster of " + std::to_string(blocks), each([&] {
                GPU_CHECK(launch_with({cluster}, dim3(static_cast<unsigned>(blocks)), dim3(256),
                                      meter.stream, cluster_barrier_kernel, rounds));
            }),
            "us");
    }
}

void measure_rates(Meter& meter, int multiprocessors, double clock, bool has_products) {
    constexpr int rounds = 4000;
    DeviceArray<float> out(1);
    const auto rate = [&](const char* what, auto kernel, int warps, double products_a_round) {
        const double seconds = meter.seconds([&] {
            GPU_CHECK(gpu_launch(kernel, dim3(static_cast<unsigned>(multiprocessors)),
                                 dim3(static_cast<unsigned>(32 * warps)), 0, meter.stream, rounds,
                                 out.data()));
        });
        const double all = 1. * rounds * warps * products_a_round;  // of one multiprocessor
        meter.say(std::string(what) + ", " + std::to_string(warps) +
                      " warps a multiprocessor, multiply-adds a clock at " +
                      std::to_string(static_cast<int>(clock / 1e6)) + " MHz",
                  all / seconds / clock, "1");
    };
    for (const int warps : {4, 8, 16}) {
        if (has_products) {
            rate("bf16 mma", bf16_rate_kernel, warps, chains * 16. * 8 * 16);
            rate("s8 mma", s8_rate_kernel, warps, chains * 16. * 8 * 32);
        }
        rate("float", fma_rate_kernel, warps, 32. * 32);
    }
}

void measure_memory(Meter& meter, int multiprocessors) {
    DeviceArray<unsigned> out(1);
    for (const std::size_t bytes :
         {std::size_t{1} << 20, std::size_t{16} << 20, std::size_t{1} << 30}) {
        // Steps of 4096 + 128 bytes meet all lines before they come back.
        const std::size_t words = bytes / 4, stride = (4096 + 128) / 4;
        std::vector<unsigned> ring(words);
        for (std::size_t i = 0; i < words; ++i)
            ring[i] = static_cast<unsigned>((i + stride) % words);
        const DeviceArray<unsigned> on_device(ring, meter.stream);
        const std::string of = " from " + std::to_string(bytes >> 20) + " MiB";
        constexpr int steps = 20000;
        meter.say("a load" + of, meter.seconds([&] {
            GPU_CHECK(gpu_launch(chase_kernel, dim3(1), dim3(1), 0, meter.stream, on_device.data(),
                                 steps, out.data()));
        }) / steps * 1e9,
                  "ns");
        constexpr int times = 10;
        meter.say("reading" + of, 1e-9 * times * static_cast<double>(bytes) / meter.seconds([&] {
            for (int i = 0; i < times; ++i)
                GPU_CHECK(gpu_launch(read_kernel, dim3(static_cast<unsigned>(4 * multiprocessors)),
                                     dim3(512), 0, meter.stream,
                                     reinterpret_cast<const uint4*>(on_device.data()), bytes / 16,
                                     out.data()));
        }),
                  "GB/s");
    }
}

int run(std::FILE* file) {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0)
        throw InputError("gpu_limits: there is no GPU; run it where nvidia-smi lists one");
    cudaDeviceProp properties;
    GPU_CHECK(cudaGetDeviceProperties(&properties, 0));
    int kilohertz = 0;
    GPU_CHECK(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, 0));
    const GpuStream stream;
    Meter meter{stream.get(), file};
    std::fprintf(file, "# device: %s, %d multiprocessors\nwhat,value,unit\n", properties.name,
                 properties.multiProcessorCount);
    measure_nodes(meter, 1);
    measure_nodes(meter, properties.multiProcessorCount);
    measure_rates(meter, properties.multiProcessorCount, 1e3 * kilohertz, properties.major >= 8);
    measure_memory(meter, properties.multiProcessorCount);
    measure_barriers(meter, properties.multiProcessorCount);
    return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 1 && !(argc == 3 && std::strcmp(argv[1], "--csv") == 0))
            throw InputError("usage: gpu_limits [--csv FILE]");
        std::FILE* const file = argc == 3 ? std::fopen(argv[2], "w") : stdout;
        if (file == nullptr) throw InputError(std::string("gpu_limits: cannot write ") + argv[2]);
        const int code = run(file);
        if (file != stdout) std::fclose(file);
        return code;
    } catch (const InputError& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return exit_bad_input;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "gpu_limits: %s\n", e.what());
        return exit_failure;
    }
}
