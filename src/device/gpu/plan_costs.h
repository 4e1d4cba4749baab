// plan_costs.h: the constants of the model of GPU kernels that only a measurement can decide.
//
// plan.cpp predicts products by them, bench/gpu_step_model.cpp whole training steps. They were
// fitted to a table of `make bench-gpu` on an H100 by `make gpu-fit`, which prints these lines for
// the next table. What each one stands for, and how well it is known, is in bench/GPU_MODEL.md.
#pragma once

/// Cycles, unless a name says otherwise.
struct PlanCosts {
    // a kernel of a CUDA graph, from the end of the one before to its own first instruction
    double node_us = 0.85;        ///< microseconds
    double early_node_us = 0.60;  ///< the same where it is launched early: from capability 9.0
    double early_crowds = 0.412;  ///< share of crowded() in plan.cpp

    // a product
    double product_start = 1969;  ///< once a kernel: its first instructions, its last stores
    double block_start = 755;     ///< each round of blocks, to its first slice and from its last
    double write_four = 380;      ///< each round: 16 bytes of a thread's sums, finished and written
    double exposed_fma = 390;     ///< of a slice: barrier, first loads; however many blocks share
    double exposed_bf16x3 = 895;  ///< the same, with the conversion between two barriers
    double exposed_double = 475;  ///< the same by mma.sync in double
    double shared_fma = 0.338;    ///< share of shared memory's time that nothing hides
    double shared_bf16x3 = 0.19;  ///< the same
    // share of the peak that mma.sync in double reaches from 9.0 on, in each tile
    double mma_double_large = 0.566;
    double mma_double_medium = 0.699;
    double mma_double_small = 0.297;
    double join_wait = 986;    ///< for 16 bytes of a thread's sums and up to seven parts of them
    double join_bytes = 60.8;  ///< a clock, of a tile's parts as they are added

    // the head
    double head_start = 5502;    ///< once: launch, bias, labels, softmax, losses
    double head_window = 1586;   ///< to bring a window of W to shared memory
    double head_pass = 766;      ///< of eight samples over a window, forward or back
    double narrow_start = 3080;  ///< once in head_narrow.cu: launch, W, losses, dW
    double narrow_sample = 46;   ///< of a sample's place in a round and a warp, there and back

    // the update
    double update_start = 1711;  ///< once a kernel
    double update_round = 1013;  ///< each round of blocks: a number's parts and itself, and back
};
