// agree.h: checks that all replicas have the same parameters.
#pragma once
#include <span>
#include <string>

#include "base/real.h"
#include "comm/comm.h"
#include "model/parameters.h"

/// Compares a checksum of each tensor over the ranks. Throws RanksDiffer on every rank, naming
/// `when`, the first rank that differs from rank 0 and the tensor. Collective.
void check_ranks_agree(const Comm& comm, const Layout& layout, std::span<const nn_real> parameters,
                       const std::string& when);
