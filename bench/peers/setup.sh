#!/usr/bin/env bash
# setup.sh: installs the peers of the comparison in build/peers, a Python environment of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
    echo "bench/peers/setup.sh: $1" >&2
    exit "$2"
}

folder=${1:-build/peers}
python=${PYTHON:-python3}
echo "# PyTorch, NumPy and scikit-learn go to $folder; several GB are downloaded and unpacked"
mkdir -p "$(dirname "$folder")"
"$python" -m venv "$folder" ||
    fail "$python -m venv $folder failed; install python3-venv, or name another by PYTHON=" 3
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check torch numpy scikit-learn ||
    fail "pip could not install torch, numpy and scikit-learn; is there a network, and room in $folder?" 3
"$folder/bin/python" -c 'import numpy, sklearn, torch
print(f"# installed: torch {torch.__version__}, numpy {numpy.__version__}, scikit-learn {sklearn.__version__}")'
