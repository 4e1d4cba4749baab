"""Gives the OpenBLAS inside NumPy its threads and its kernels. Imported before NumPy is.

OpenBLAS reads these variables once, when it is loaded. NumPy's own wheel (OpenBLAS 0.3.31) takes
its Haswell kernels on a Sapphire Rapids; told SkylakeX, it takes AVX-512 and was 1.3 to 1.8 times
as fast on one thread. SapphireRapids and Cooperlake are not in the wheel: they give SkylakeX too.
A variable that is set already stays.
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
if has_avx512():
    os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
