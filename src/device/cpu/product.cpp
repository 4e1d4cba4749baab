// product.cpp: takes A for the weights of a layer of m units, and B for its inputs.
#include "device/cpu/product.h"

#include <algorithm>

#include "device/cpu/buffer.h"
#include "device/cpu/table.h"

void cpu_product(int m, int n, int k, nn_real alpha, const nn_real* a, const nn_real* b,
                 nn_real beta, nn_real* c) {
    const CpuFunctions& f = cpu_functions();
    constexpr int in_line = 64 / static_cast<int>(sizeof(nn_real));
    const auto ld = static_cast<std::size_t>(ceil_div(m, in_line)) * in_line;
    Buffer<nn_real> weights(ld * static_cast<std::size_t>(k)), bias(ld),
        result(ld * static_cast<std::size_t>(n)), panel(cpu_panel), waiting(cpu_waiting(n));
    const CpuLayer layer{k, m, ld, weights.data(), bias.data(), result.data(), nullptr, 0};
    for (int i = 0; i < k; ++i) std::copy_n(a + elements(m, i), m, layer.weights(i));
    f.dense_forward(layer, b, static_cast<std::size_t>(k), {0, n}, {0, ceil_div(m, f.lanes)},
                    nullptr, {panel.data(), waiting.data()});
    for (int j = 0; j < n; ++j)
        for (int i = 0; i < m; ++i) {
            nn_real& to = c[position(i, j, m)];
            const nn_real old = beta == 0 ? 0 : beta * to;  // then C may hold anything
            to = alpha * layer.activations(j)[i] + old;
        }
}
