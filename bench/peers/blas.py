"""Gives the OpenBLAS inside NumPy its threads and its kernels. Imported before NumPy is.

OpenBLAS reads these variables once, when it is loaded. NumPy's own wheel (OpenBLAS 0.3.31) has two
kinds of kernels for processors with AVX2: Haswell and, with AVX-512, SkylakeX. On a Sapphire Rapids
it takes Haswell by itself; told SkylakeX, it was 1.3 to 1.8 times as fast on one thread. On an AMD
processor of family 26 Haswell was the same or up to 12 % faster. So bench.py tries both and says by
BENCH_OPENBLAS_CORETYPE which to take; other variables that the environment has for the kernels are
not kept, because a peer is shown at its best.
"""
import os
import sys
from pathlib import Path


def has_avx512() -> bool:
    try:
        return " avx512f " in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


if "--threads" in sys.argv[:-1]:
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, sys.argv[sys.argv.index("--threads") + 1])
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)
kernel = os.environ.get("BENCH_OPENBLAS_CORETYPE", "SkylakeX" if has_avx512() else "")
if kernel:
    os.environ["OPENBLAS_CORETYPE"] = kernel
