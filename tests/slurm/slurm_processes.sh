#!/bin/bash
# slurm_processes.sh DIR [JOB]: the numbers of the living processes of the Slurm in DIR, one a line.
#
# With JOB only those of that job. A process is known by its environment, which names the Slurm it
# was started under; so one that left its process group, or lost its parent, is found all the same.
set -euo pipefail

dir=$(realpath "${1:?slurm_processes.sh: use it as slurm_processes.sh DIR [JOB]}")
job=${2:-}
# with_variable NAME=VALUE FILE...: those of the files in which it stands. Processes come and go.
with_variable() {
    grep --null-data --line-regexp --fixed-strings --files-with-matches --no-messages "$@" || true
}
environments=$(with_variable "SLURM_CONF=$dir/slurm.conf" /proc/[0-9]*/environ)
for environment in $environments; do
    if [[ -z $job || -n $(with_variable "SLURM_JOB_ID=$job" "$environment") ]]; then
        echo "${environment//[!0-9]/}"
    fi
done
