#!/bin/bash
# slurm_down.sh DIR: ends the Slurm that slurm_up.sh started in DIR, whatever state it is in.
#
# Jobs are cancelled first, so that Slurm itself ends their processes. Then the daemons are ended,
# and the holders of the networks, with which those vanish. DIR stays, for its logs. Exit code 1
# says that a process withstood all that.
set -uo pipefail

dir=$(realpath "${1:?slurm_down.sh: use it as slurm_down.sh DIR}")
here=$(dirname "$(readlink -f "$0")")

# until_silent SECONDS COMMAND...: waits until the command prints nothing.
until_silent() {
    local i times=$(($1 * 20))
    shift
    for ((i = 0; i < times; i++)); do
        [[ -n $("$@" 2>/dev/null) ]] || return 0
        sleep 0.05
    done
    return 1
}

signal_all() {
    local pids
    mapfile -t pids < <("$here/slurm_processes.sh" "$dir")
    ((${#pids[@]} == 0)) || kill "-$1" "${pids[@]}" 2>/dev/null
}

if [[ -x $dir/enter ]]; then
    timeout 10 "$dir/enter" scancel --quiet --user="$(id -un)" 2>/dev/null
    until_silent 10 timeout 5 "$dir/enter" squeue --noheader
fi
signal_all TERM
until_silent 5 "$here/slurm_processes.sh" "$dir" && exit 0
signal_all KILL
until_silent 5 "$here/slurm_processes.sh" "$dir" && exit 0
echo "slurm_down.sh: these processes of the Slurm in $dir still live:" \
    "$("$here/slurm_processes.sh" "$dir" | tr '\n' ' ')" >&2
exit 1
