#!/bin/bash
# busy.sh [PAIRS=5] [FLAGS of ./main...]: how much longer a training takes beside other work.
#
# It trains quietly, and again beside one busy loop a core, in turns, and prints both times and their
# ratio. Half of each core is a fair share: 2 is as good as it gets. NP=2 ranks, MAIN=./main.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/mpi_env.sh

pairs=${1:-5}
flags=("${@:2}")
loops=()
end_loops() {
    ((${#loops[@]} == 0)) || kill "${loops[@]}"
    loops=()
}
trap end_loops EXIT

seconds() { # of one training
    mpirun -np "${NP:-2}" "${MAIN:-./main}" -e 3 "${flags[@]}" | sed -n 's/^# time \([0-9.]*\) s.*/\1/p'
}
for ((pair = 0; pair < pairs; ++pair)); do
    quiet=$(seconds)
    for ((core = 0; core < $(nproc); ++core)); do
        (while :; do :; done) &
        loops+=($!)
    done
    busy=$(seconds)
    end_loops
    awk -v q="$quiet" -v b="$busy" 'BEGIN { printf "quiet %6.2f s  busy %6.2f s  ratio %5.2f\n", q, b, b / q }'
done | tee /dev/stderr | sort -k 8 -n | awk '{ ratio[NR] = $8 } END { print "median ratio", ratio[int((NR + 1) / 2)] }'
