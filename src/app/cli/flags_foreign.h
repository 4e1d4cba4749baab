// flags_foreign.h: the flags that say of another program's network what its file does not.
#pragma once
#include <vector>

#include "app/cli/command_line.h"
#include "model/foreign.h"

/// --activation, --input-mean, --input-std, --invert, --raw-pixels and --kernels.
std::vector<Flag> foreign_flags(ForeignFacts& facts);
