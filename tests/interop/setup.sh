#!/bin/bash
# setup.sh: NumPy, PyTorch and safetensors for the interop test, in build/interop.
#
# Debian's own packages as far as they go, which are smaller than the index's; PYTHON=... names
# another Python, which then has to have NumPy and PyTorch.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-/usr/bin/python3}
has() { "$1" -c "import $2" 2>/dev/null; }
if ! has "$python" "torch, numpy, venv, ensurepip"; then
    tools/setup.sh interop
fi
if ! has build/interop/bin/python "torch, numpy, safetensors"; then
    "$python" -m venv --system-site-packages build/interop
    build/interop/bin/python -m pip install --quiet --disable-pip-version-check safetensors
fi
build/interop/bin/python -c 'import numpy, safetensors, torch
print(f"# torch {torch.__version__}, numpy {numpy.__version__}, safetensors {safetensors.__version__}")'
