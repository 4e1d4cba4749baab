// limits_onednn.cpp: what oneDNN's products reach, where it is installed.
#include "limits_probe.h"

#if __has_include(<dnnl.h>)
#include <dlfcn.h>
#include <dnnl.h>
#include <dnnl_version.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace {

void dnnl_check(dnnl_status_t status, const char* call) {
    if (status != dnnl_success)
        throw std::runtime_error(std::string(call) + " failed with status " +
                                 std::to_string(status) + "; is oneDNN 2 or later installed?");
}
#define DNNL_CHECK(call) dnnl_check((call), #call)

/// Debian's oneDNN uses OpenMP: one thread of it, in the thread that calls.
void one_thread_in_onednn() {
    if (void* found = dlsym(RTLD_DEFAULT, "omp_set_num_threads"))
        reinterpret_cast<void (*)(int)>(found)(1);
}

/// Numbers in (-1, 1), a different one at each place.
std::vector<float> numbers(std::size_t count) {
    std::vector<float> values(count);
    std::uint32_t state = 1;
    for (float& value : values) {
        state = state * 1664525u + 1013904223u;
        value = static_cast<float>(static_cast<std::int32_t>(state)) / 2147483648.0f;
    }
    return values;
}

/// Column-major C = op(A) op(B), C of m x n, packed. dnnl_sgemm is row-major: it sees every matrix
/// transposed, so it is given C^T = op(B)^T op(A)^T.
void gemm(char op_a, char op_b, int m, int n, int k, const std::vector<float>& a,
          const std::vector<float>& b, std::vector<float>& c) {
    DNNL_CHECK(dnnl_sgemm(op_b, op_a, n, m, k, 1, b.data(), op_b == 'N' ? k : n, a.data(),
                          op_a == 'N' ? m : k, 0, c.data(), m));
}

Probe sgemm_probe() {
    constexpr int n = 2048;
    constexpr auto size = static_cast<std::size_t>(n) * n;
    return {{{"sgemm_2048_gflops", 2.0 * n * n * n, "GFLOP/s"}},
            [a = numbers(size), b = numbers(size), c = numbers(size)]() mutable {
                return seconds_of([&] { gemm('N', 'N', n, n, n, a, b, c); });
            }};
}

/// The five products of a step of 784-H-10 with B images: 2 B (784 H + 3 x 10 H + 784 H) = 3196 B
/// H.
Probe step_probe(int hidden, int batch) {
    const double flop = 3196.0 * batch * hidden;
    const int repeats = std::max(1, static_cast<int>(1e9 / flop));
    const std::string name =
        "onednn_step_" + std::to_string(hidden) + "_" + std::to_string(batch) + "_";
    const auto h = static_cast<std::size_t>(hidden), b = static_cast<std::size_t>(batch);
    auto step = [=, x = numbers(784 * b), w1 = numbers(784 * h), a1 = numbers(h * b),
                 w2 = numbers(10 * h), d2 = numbers(10 * b), z1 = numbers(h * b),
                 z2 = numbers(10 * b), d1 = numbers(h * b), dw1 = numbers(784 * h),
                 dw2 = numbers(10 * h)]() mutable {
        const double seconds = seconds_of([&] {
            for (int i = 0; i < repeats; ++i) {
                gemm('N', 'N', hidden, batch, 784, w1, x, z1);   // Z1  = W1 X
                gemm('N', 'N', 10, batch, hidden, w2, a1, z2);   // Z2  = W2 A1
                gemm('N', 'T', 10, hidden, batch, d2, a1, dw2);  // dW2 = D2 A1^T
                gemm('T', 'N', hidden, batch, 10, w2, d2, d1);   // D1  = W2^T D2
                gemm('N', 'T', hidden, 784, batch, d1, x, dw1);  // dW1 = D1 X^T
            }
        });
        return seconds / repeats;
    };
    return {{{name + "us", 0, "us"}, {name + "gflops", flop, "GFLOP/s"}}, std::move(step)};
}

#if DNNL_VERSION_MAJOR == 2  // a later oneDNN has other functions for it
/// A bf16 product of 2048^3 into float, the weights packed beforehand as oneDNN likes them best.
class Bf16Matmul {
  public:
    /// Whether this processor's oneDNN can do it at all.
    bool prepare() {
        DNNL_CHECK(dnnl_engine_create(&engine_, dnnl_cpu, 0));
        DNNL_CHECK(dnnl_stream_create(&stream_, engine_, dnnl_stream_default_flags));
        const dnnl_dims_t dims = {n, n};
        dnnl_memory_desc_t source, weights, result;
        DNNL_CHECK(dnnl_memory_desc_init_by_tag(&source, 2, dims, dnnl_bf16, dnnl_ab));
        DNNL_CHECK(dnnl_memory_desc_init_by_tag(&weights, 2, dims, dnnl_bf16, dnnl_format_tag_any));
        DNNL_CHECK(dnnl_memory_desc_init_by_tag(&result, 2, dims, dnnl_f32, dnnl_ab));
        dnnl_matmul_desc_t matmul;
        DNNL_CHECK(dnnl_matmul_desc_init(&matmul, &source, &weights, nullptr, &result));
        dnnl_primitive_desc_t made;
        if (dnnl_primitive_desc_create(&made, &matmul, nullptr, engine_, nullptr) != dnnl_success)
            return false;
        DNNL_CHECK(dnnl_primitive_create(&product_, made));
        const int places[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
        const dnnl_query_t queries[] = {dnnl_query_src_md, dnnl_query_weights_md,
                                        dnnl_query_dst_md};
        for (int i = 0; i < 3; ++i) {
            const dnnl_memory_desc_t* md = dnnl_primitive_desc_query_md(made, queries[i], 0);
            dnnl_memory_t memory;
            DNNL_CHECK(dnnl_memory_create(&memory, md, engine_, DNNL_MEMORY_ALLOCATE));
            void* bytes = nullptr;
            DNNL_CHECK(dnnl_memory_get_data_handle(memory, &bytes));
            std::memset(bytes, 0x3f, dnnl_memory_desc_get_size(md));  // 0.75 in bf16
            arguments_[i] = {places[i], memory};
        }
        return true;
    }
    double seconds() const {
        return seconds_of([&] {
            DNNL_CHECK(dnnl_primitive_execute(product_, stream_, 3, arguments_));
            DNNL_CHECK(dnnl_stream_wait(stream_));
        });
    }
    static constexpr int n = 2048;

  private:
    dnnl_engine_t engine_ = nullptr;
    dnnl_stream_t stream_ = nullptr;
    dnnl_primitive_t product_ = nullptr;
    dnnl_exec_arg_t arguments_[3] = {};
};
#endif

}  // namespace

std::vector<Probe> onednn_probes() {
    one_thread_in_onednn();
    std::vector<Probe> probes = {sgemm_probe()};
#if DNNL_VERSION_MAJOR == 2
    Bf16Matmul matmul;
    if (matmul.prepare())
        probes.push_back({{{"bf16_2048_gflops", 2.0 * matmul.n * matmul.n * matmul.n, "GFLOP/s"}},
                          [=] { return matmul.seconds(); }});
#endif
    const int shapes[][2] = {{100, 800}, {512, 256}, {100, 32}, {1024, 1024}, {200, 24}};
    for (const auto& [hidden, batch] : shapes) probes.push_back(step_probe(hidden, batch));
    return probes;
}

#else
std::vector<Probe> onednn_probes() { return {}; }
#endif
