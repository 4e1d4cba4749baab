#!/bin/bash
# test_gpu_kit.sh: make gpu-kit, as far as it goes without a GPU.
#
# The kit is packed with the kernel runner's programs and run from a copy of what it needs of the
# tree, with no MPI on the PATH but its own. Every part has to end well and run tests.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v apt-get >/dev/null || ! command -v xz >/dev/null; then
    echo "# no apt-get or no xz here: the kit cannot be packed"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"; rm -rf build/gpu-kit' EXIT
tools/gpu_kit/pack.sh trial
mkdir -p "$copy/bench" "$copy/bin"
cp -r build/gpu-kit "$copy/kit"
cp bench/*.py "$copy/bench/"
tools/first_images.py data "$copy/data" 600 100
for program in bash env tar xz grep awk sed tail head tr cut tee find cat timeout mktemp mkdir rm dirname ls gzip sleep; do
    ln -s "$(command -v "$program")" "$copy/bin/"
done
# A python3 on the PATH may be a script that needs more of the PATH; this is the program behind it.
printf '#!/bin/bash\nexec %q "$@"\n' "$(python3 -c 'import sys; print(sys.executable)')" >"$copy/bin/python3"
chmod +x "$copy/bin/python3"
code=0
(cd "$copy" && env -i HOME="$HOME" TMPDIR="${TMPDIR:-/tmp}" PATH="$copy/bin" bash kit/run.sh results 400) || code=$?
parts=$(grep -cE '^ok ' "$copy/results/table.txt" || true)
[[ -s $copy/results/gpu.csv && -s $copy/results/logs.tar.gz ]] || code=1
echo "$parts passed, $((code != 0)) failed, 0 skipped"
exit "$code"
