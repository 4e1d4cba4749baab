// gpu_lt.h: cublasLt at its best, the hardest rival of our products.
//
// cublasLt offers several algorithms for a product, its own guess of the fastest first. Here each
// of them is timed, and the fastest is kept. A layer's bias is one more weight, whose input is 1
// (gpu_steps.h). cublasLt can also leave the ones out, and add the bias, or sum its gradient, in
// the product's epilogue. Algorithms of both kinds take part.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "gpu_steps.h"

/// C = op(A) op(B), op(A) m x k, op(B) k x n. `ones` says where op(B) has only ones.
struct LtCall {
    CublasBy by;
    Ones ones;
    int m, n, k;
    CublasMatrix a, b;
    nn_real* c;
    int c_stride;
};

/// The same call without its ones: `bias`, m elements, is added to each column of a product; or
/// `sums` get the row sums of A, beside a product of one column less. A is not transposed.
struct LtFolded {
    int n, k;
    const nn_real* bias;
    nn_real* sums;
};
inline LtFolded folded(const LtCall& call) {
    if (call.ones == Ones::in_sum)
        return {call.n, call.k - 1, call.a.data + position(0, call.k - 1, call.a.stride), nullptr};
    return {call.n - 1, call.k, nullptr, call.c + position(0, call.n - 1, call.c_stride)};
}

/// One of cublasLt's algorithms for a call.
struct LtWay {
    bool in_epilogue;                        ///< of the folded call
    std::array<std::uint64_t, 8> algorithm;  ///< cublasLtMatmulAlgo_t
};

/// cublasLt on one stream of the current device, loaded when it is asked for (cublas_lt.cu). On the
/// kernel runner, plain kernels stand in for it (tests/gpuhost/plain_lt.cpp).
class CublasLt {
  public:
    explicit CublasLt(cudaStream_t stream);
    ~CublasLt();
    CublasLt(const CublasLt&) = delete;
    CublasLt& operator=(const CublasLt&) = delete;

    /// Says why it cannot be used; empty if it can. What follows needs it to be empty.
    const std::string& missing() const { return missing_; }
    /// What the table says of a library that can be used.
    static std::string found();
    /// At most 16 algorithms, the likely fastest first; of the folded call, if `in_epilogue`.
    std::vector<LtWay> ways(const LtCall& call, bool in_epilogue);
    /// Puts the call on the stream. Returns false if this way is not possible.
    bool run(const LtCall& call, const LtWay& way);

  private:
    struct Library;
    std::unique_ptr<Library> library_;
    std::string missing_;
};

/// Products by the fastest algorithms. A product of a kind that is new waits for all of them to be
/// timed, so it must not be recorded. What is at C may change meanwhile.
class LtProducts {
  public:
    LtProducts(const Gpu& gpu, CublasLt& library, CublasBy by)
        : gpu_(gpu), library_(library), by_(by) {}

    void product(Ones ones, int m, int n, int k, CublasMatrix a, CublasMatrix b, nn_real* c,
                 int c_stride);
    /// False once there was no algorithm for a product. Nothing was done then.
    bool can() const { return can_; }
    /// For each kind of product: which of the algorithms it takes.
    const std::string& taken() const { return taken_; }

  private:
    /// m, n, k and strides, and where op(B) has ones and which operand is transposed.
    using Kind = std::tuple<Ones, int, int, int, int, int, int, Transposed, Transposed>;

    std::optional<LtWay> fastest(const LtCall& call);
    /// A run, in a graph of several.
    double seconds(const LtCall& call, const LtWay& way);

    Gpu gpu_;
    CublasLt& library_;
    CublasBy by_;
    std::map<Kind, std::optional<LtWay>> known_;
    bool can_ = true;
    std::string taken_;
};
