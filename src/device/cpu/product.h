// product.h: the dense product of the CPU, alone: for a comparison of products.
#pragma once
#include "base/real.h"

/// C = alpha A B + beta C; A m x k, B k x n, C m x n, all column-major and packed.
void cpu_product(int m, int n, int k, nn_real alpha, const nn_real* a, const nn_real* b,
                 nn_real beta, nn_real* c);
