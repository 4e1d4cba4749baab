// onednn_mlp.cpp: the rival in C++. It trains as the other peers do, with every product by oneDNN.
//
// common.py says what a peer trains, what is timed and what is printed; this is the same in C++.
// Matrices are row-major: a batch has a row for each image, weights have a row for each input.
//
// What was tried, by processor time of one thread with AVX-512: a row for each unit, 0 to 30 %
// slower, most at batch 32; images kept as bytes, the same within the noise; exp of one number at a
// time, 5 to 12 % slower; -ffast-math, the same. The gradient's product does the update.
#include <dnnl.h>
#include <omp.h>
#include <sys/mman.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// glibc has expf of whole vectors, but its header names them only under -ffast-math.
#if defined(__x86_64__) && defined(__GLIBC__)
extern "C" __attribute__((simd("notinbranch"))) float expf(float) noexcept;
#endif

namespace {

constexpr int pixels = 784, classes = 10;
constexpr float rate = 0.1f, reg = 1e-4f;
constexpr double warm_up_seconds = 0.5;

/// The bytes behind the header of a gzipped IDX file.
std::vector<std::uint8_t> read_idx(const std::string& path, int header) {
    std::vector<std::uint8_t> bytes(1 << 26);
    gzFile file = gzopen(path.c_str(), "rb");
    const int count = file ? gzread(file, bytes.data(), 1 << 26) : -1;
    if (file) gzclose(file);
    if (count < header) throw std::runtime_error(path + ": cannot be read");
    return {bytes.begin() + header, bytes.begin() + count};
}

/// C = alpha op(A) op(B) + beta C, C of m x n, all without gaps between rows.
void gemm(char op_a, char op_b, int m, int n, int k, float alpha, const float* a, const float* b,
          float beta, float* c) {
    const int lda = op_a == 'N' ? k : m, ldb = op_b == 'N' ? n : k;
    if (dnnl_sgemm(op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, n) != dnnl_success)
        throw std::runtime_error("dnnl_sgemm failed");
}

/// The network, its buffers for one batch, and the training set in large pages, kept to the end.
class Mlp {
  public:
    Mlp(const std::vector<int>& sizes, int batch, const std::string& data)
        : sizes_(sizes), labels_(read_idx(data + "/train-labels-idx1-ubyte.gz", 8)) {
        std::mt19937_64 random(1);
        for (std::size_t l = 0; l < sizes.size(); ++l) {
            activations_.emplace_back(batch * sizes[l]);
            deltas_.emplace_back(batch * sizes[l]);
            if (l == 0) continue;
            biases_.emplace_back(sizes[l]);
            weights_.emplace_back(sizes[l] * sizes[l - 1]);
            std::normal_distribution<float> draw(0, 1 / std::sqrt(float(sizes[l - 1])));
            for (float& weight : weights_.back()) weight = draw(random);
        }
        const auto bytes = read_idx(data + "/train-images-idx3-ubyte.gz", 16);
        constexpr std::size_t page = 1 << 21;
        const std::size_t space = (bytes.size() * sizeof(float) / page + 1) * page;
        images_ = static_cast<float*>(std::aligned_alloc(page, space));
        madvise(images_, space, MADV_HUGEPAGE);
        for (std::size_t i = 0; i < bytes.size(); ++i) images_[i] = bytes[i] * (1 / 255.0f);
    }

    int images() const { return static_cast<int>(labels_.size()); }
    /// One step on the n images that `index` names.
    void step(const int* index, int n) {
        forward(index, n);
        for (std::size_t l = weights_.size(); l-- > 0;) backward_and_update(l, n);
    }

    /// The mean cross-entropy of these images.
    double loss(const int* index, int n) {
        double sum = 0;
        forward(index, n);
        for (int i = 0; i < n; ++i)
            sum -= std::log(1 + deltas_.back()[i * classes + labels_[index[i]]]);
        return sum / n;
    }

  private:
    void forward(const int* index, int n) {
        float* inputs = activations_[0].data();
#pragma omp parallel for schedule(static)
        for (int i = 0; i < n; ++i)
            std::copy_n(images_ + index[i] * pixels, pixels, inputs + i * pixels);
        for (std::size_t l = 0; l < weights_.size(); ++l) {
            const int units = sizes_[l + 1];
            float* z = activations_[l + 1].data();
            const float *a = activations_[l].data(), *bias = biases_[l].data();
            gemm('N', 'N', n, units, sizes_[l], 1, a, weights_[l].data(), 0, z);
            if (l + 1 == weights_.size()) return output_delta(index, n);
#pragma omp parallel for schedule(static)
            for (int i = 0; i < n; ++i)
#pragma omp simd
                for (int u = 0; u < units; ++u)
                    z[i * units + u] = 1 / (1 + expf(-z[i * units + u] - bias[u]));
        }
    }

    /// The output's delta: the probabilities, less 1 at the true class.
    void output_delta(const int* index, int n) {
        const float* bias = biases_.back().data();
        for (int i = 0; i < n; ++i) {
            const float* z = &activations_.back()[i * classes];
            float* delta = &deltas_.back()[i * classes];
            float most = z[0] + bias[0], sum = 0;
            for (int c = 0; c < classes; ++c) most = std::max(most, z[c] + bias[c]);
#pragma omp simd reduction(+ : sum)
            for (int c = 0; c < classes; ++c) sum += delta[c] = expf(z[c] + bias[c] - most);
            for (int c = 0; c < classes; ++c) delta[c] /= sum;
            delta[labels_[index[i]]] -= 1;
        }
    }

    /// The delta below layer l; then the update of its weights, inside the gradient's product.
    void backward_and_update(std::size_t l, int n) {
        const int units = sizes_[l + 1], below = sizes_[l];
        const float *delta = deltas_[l + 1].data(), *a = activations_[l].data();
        const float step = -rate / static_cast<float>(n);
        if (l > 0) {
            float* next = deltas_[l].data();
            gemm('N', 'T', n, below, units, 1, delta, weights_[l].data(), 0, next);
#pragma omp parallel for schedule(static)
            for (int at = 0; at < n * below; ++at) next[at] *= a[at] * (1 - a[at]);
        }
        gemm('T', 'N', below, units, n, step, a, delta, 1 - rate * reg, weights_[l].data());
        float* bias = biases_[l].data();
        for (int i = 0; i < n; ++i)
            for (int u = 0; u < units; ++u) bias[u] += step * delta[i * units + u];
    }

    std::vector<int> sizes_;
    std::vector<std::vector<float>> weights_, biases_, activations_, deltas_;
    std::vector<std::uint8_t> labels_;
    float* images_;
};

/// Trains on so many images of a new order; the seconds that it took.
double train(Mlp& mlp, std::vector<int>& order, std::mt19937_64& random, int count, int batch) {
    const double start = omp_get_wtime();
    std::ranges::shuffle(order, random);
    for (int first = 0; first < count; first += batch)
        mlp.step(&order[first], std::min(batch, count - first));
    return omp_get_wtime() - start;
}

void run(std::map<std::string, std::string>& options) {
    std::vector<int> sizes = {pixels};
    std::istringstream hidden(options["--hidden"]);
    for (std::string size; std::getline(hidden, size, ',');) sizes.push_back(std::stoi(size));
    sizes.push_back(classes);
    const int batch = std::stoi(options["--batch"]), threads = std::stoi(options["--threads"]);
    if (options["--type"] != "float") throw std::runtime_error("oneDNN multiplies float alone");
    omp_set_num_threads(threads);
    Mlp mlp(sizes, batch, options["--data"]);
    std::vector<int> order(mlp.images());
    for (int i = 0; i < mlp.images(); ++i) order[i] = i;
    std::mt19937_64 random(1);
    const auto* v = dnnl_version();
    std::printf("peer onednn_mlp %d.%d, float, %d threads\n", v->major, v->minor, threads);
    // As time_epochs() in common.py: it warms up, then times epochs, or a part of one.
    const int whole = mlp.images(), part = std::min(whole, std::max(1, 4096 / batch) * batch);
    double images_per_second = 1;
    for (double warm = 0, took = 0; warm < warm_up_seconds; warm += took)
        images_per_second = part / (took = train(mlp, order, random, part, batch));
    const double wanted = std::stod(options["--seconds"]) * images_per_second;
    const int steps = std::max(1, static_cast<int>(wanted) / batch);
    const int count = wanted >= whole ? whole : std::min(whole, steps * batch);
    for (long epoch = std::max(1L, std::lround(wanted / whole)); epoch > 0; --epoch)
        std::printf("images/s %.0f\n", count / train(mlp, order, random, count, batch));
    std::ranges::sort(order);
    const double loss = mlp.loss(order.data(), batch);
    std::printf("final loss %.5f\n", loss);
    if (!(loss <= 2 * std::log(classes))) throw std::runtime_error("this peer is broken");
}

}  // namespace

int main(int argc, char** argv) {
    std::map<std::string, std::string> options = {{"--hidden", "100"}, {"--batch", "800"},
                                                  {"--threads", "1"},  {"--seconds", "1"},
                                                  {"--type", "float"}, {"--data", "data"}};
    try {
        for (int i = 1; i + 1 < argc; i += 2) options.at(argv[i]) = argv[i + 1];
        run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "onednn_mlp: %s\n", error.what());
        return 3;
    }
}
