// gpu_bench.h: what the parts of gpu_bench work with.
#pragma once
#include <chrono>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "device/gpu/cublas.h"
#include "gpu_contest.h"
#include "gpu_lt.h"
#include "gpu_problem.h"
#include "gpu_steps.h"

inline constexpr bool in_double = std::is_same_v<nn_real, double>;

/// The measurements' table, line by line as they come.
class Csv {
  public:
    explicit Csv(const std::string& path)
        : file_(path.empty() ? stdout : std::fopen(path.c_str(), "w")) {
        if (file_ == nullptr)
            throw InputError("gpu_bench: cannot write " + path + "; name another file by --csv");
    }
    ~Csv() {
        if (file_ != stdout) std::fclose(file_);
    }
    Csv(const Csv&) = delete;
    Csv& operator=(const Csv&) = delete;

    void note(const std::string& key, const std::string& value) {
        std::fprintf(file_, "# %s: %s\n", key.c_str(), value.c_str());
    }
    void heading() {
        std::fprintf(file_,
                     "type,hidden,batch,what,contender,chosen,judged,median_us,q1_us,q3_us,"
                     "repetitions,chain,tflops,error,bytes\n");
    }
    void row(Shape shape, const Measured& m, std::size_t bytes = 0) {
        std::fprintf(file_, "%s,%d,%d,%s,%s,%d,%d,%.3f,%.3f,%.3f,%d,%d,%.3f,%.4g,%zu\n",
                     nn_real_name, shape.hidden, shape.batch, m.what.c_str(), m.name.c_str(),
                     m.chosen, m.judged, m.median * 1e6, m.q1 * 1e6, m.q3 * 1e6, m.repetitions,
                     m.chain, m.tflops, m.error, bytes);
        std::fflush(file_);
    }

  private:
    std::FILE* file_;
};

/// What every part of the benchmark works with.
struct Bench {
    Gpu gpu;
    Cublas& cublas;
    CublasLt& lt;
    const Images& images;
    Effort effort;
    Csv& csv;
    bool rivals_only;  ///< of ours, whole steps and what they take
    bool right = true;
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

    void run(Shape shape, const std::vector<Contender>& contenders, int batches) {
        std::string last;  // two halves have one error
        for (const Measured& m : contest(gpu, contenders, batches, effort)) {
            csv.row(shape, m);
            if (m.right() || (m.what + m.name) == last) continue;
            last = m.what + m.name;
            right = false;
            std::fprintf(stderr,
                         "WRONG  %s (%d,%d) %s, %s: an element is %.3g bounds off; the kernel or "
                         "its plan is at fault\n",
                         nn_real_name, shape.hidden, shape.batch, m.what.c_str(), m.name.c_str(),
                         m.error);
        }
    }
    void say(Shape shape, const char* what) const {
        const std::chrono::duration<double> since = std::chrono::steady_clock::now() - start;
        std::fprintf(stderr, "%6.1f s  %s  (%d,%d)  %s\n", since.count(), nn_real_name,
                     shape.hidden, shape.batch, what);
    }
};

inline const char* name_of(GemmBy by) {
    return by == GemmBy::bf16x3 ? "bf16x3"
           : by == GemmBy::int8 ? "int8"
           : in_double          ? "fp64"
                                : "fp32";
}
inline const char* name_of(GemmTile tile) {
    return tile == GemmTile::large ? "large" : tile == GemmTile::medium ? "medium" : "small";
}
inline std::string name_of(CublasBy by) {
    return by == CublasBy::tf32 ? "tf32" : by == CublasBy::bf16x9 ? "bf16x9" : name_of(GemmBy::fma);
}
inline constexpr GemmTile tiles[] = {GemmTile::large, GemmTile::medium, GemmTile::small};

inline std::vector<GemmBy> ways(const Gpu& gpu) {
    return gpu_has_bf16x3(gpu.chip) ? std::vector{GemmBy::fma, GemmBy::bf16x3}
                                    : std::vector{GemmBy::fma};
}

/// Those of a whole step: int8 is opt-in, and its kernels are rows of the step alone.
inline std::vector<GemmBy> ways_of_steps(const Gpu& gpu) {
    std::vector<GemmBy> all = ways(gpu);
    if (gpu_has_bf16x3(gpu.chip)) all.push_back(GemmBy::int8);
    return all;
}

inline double flops_of(int m, int n, int k) { return 2.0 * m * n * k; }

/// The ways of cuBLAS and of cublasLt, the plain one first; each is tried.
inline constexpr std::initializer_list<CublasBy> cublas_ways = {CublasBy::plain, CublasBy::tf32,
                                                                CublasBy::bf16x9};
inline std::vector<CublasBy> lt_ways(const Bench& bench) {
    if (!bench.lt.missing().empty()) return {};
    return in_double ? std::vector{CublasBy::plain} : std::vector{CublasBy::plain, CublasBy::tf32};
}
/// "cublasLt fp32"
inline std::string lt_name(CublasBy by) { return "cublasLt " + name_of(by); }
/// Says in the table which of cublasLt's algorithms it took.
inline void note_lt(Bench& bench, Shape shape, const std::string& what, const LtProducts& products,
                    CublasBy by) {
    bench.csv.note("plan of " + lt_name(by) + " " + what + " at (" + std::to_string(shape.hidden) +
                       "," + std::to_string(shape.batch) + ")",
                   products.taken());
}

// gpu_bench_products.cu:
/// A_1 = sigmoid(W X + b) in every tile; and the product alone, of numbers and not of bytes, by our
/// GEMM and by cuBLAS.
void measure_layer(Bench& bench, Shape shape);
/// The gradient by the planner's plan, complete, as cuBLAS leaves it; and with its parts left to
/// whoever needs the sum, as in training.
void measure_gradient(Bench& bench, Shape shape);
/// Every plan of the gradient with the step that adds up its parts, for a plan's price is paid in
/// both: what the planner should have chosen.
void measure_plans(Bench& bench, Shape shape);

// gpu_bench_ladders.cu:
/// The layer's product, and the layer, by each rung of the ladders.
void measure_ladders(Bench& bench, Shape shape);
/// An epoch of ./main's replica.
void measure_epoch(Bench& bench, Shape shape);
/// The same by each rung of the ladder of steps, told as the time of a step.
void measure_step_ladder(Bench& bench, Shape shape);
