// table.cpp: the table of one instruction set.
//
// The Makefile compiles this file once for each instruction set, with CPU_ISA its name. The headers
// beside it have the functions. They must not use a shared inline function (of std::, for example)
// that is not inlined: the linker could keep the copy that was compiled for AVX-512 for the whole
// program. The Makefile checks this.
#include "device/cpu/table.h"

#include "device/cpu/dense.h"
#include "device/cpu/elementwise.h"
#include "device/cpu/leaves.h"
#include "device/cpu/masks.h"
#include "device/cpu/output.h"
#include "device/cpu/small.h"
#include "device/cpu/sparse.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

namespace CPU_ISA {

// What callers provide is enough (table.h).
static_assert(std::size_t{depth_block} * tile_vectors * lanes <= cpu_panel);
static_assert(std::max(most_sums, tile_vectors) * lanes <= static_cast<int>(cpu_waiting(1)));

/// With every activation of the list.
template <class... A>
constexpr CpuFunctions table_of(const char* name, std::variant<A...>*) {
    return {name,
            lanes,
            vector_bytes == 64   ? 0.6
            : vector_bytes == 32 ? 0.8
                                 : 0.95,
            {{activate<A>, times_slope<A>}...},
            pixels_to_real,
            take_masked,
            turn_masks,
            sparse_forward,
            sparse_gradient,
            dense_forward,
            dense_delta,
            dense_gradient,
            bias_gradient,
            sparse_gradient_in_leaves,
            dense_gradient_in_leaves,
            bias_gradient_in_leaves,
            update_parameters<>,
            round_to,
            sum_of_squares,
            softmax_cross_entropy,
            output_loss};
}

}  // namespace CPU_ISA

extern const CpuFunctions JOIN(cpu_functions_, CPU_ISA);
constexpr CpuFunctions JOIN(cpu_functions_,
                            CPU_ISA) = CPU_ISA::table_of(TEXT(CPU_ISA),
                                                         static_cast<Activation*>(nullptr));
