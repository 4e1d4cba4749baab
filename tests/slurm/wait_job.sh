#!/bin/bash
# wait_job.sh DIR JOB [SECONDS=60]: waits for a job's end, prints its state and exit code.
#
# For example "COMPLETED 0:0", or "FAILED 2:0" (the number after the colon is a signal). It exists
# because "sbatch --wait" asks so rarely that a job of 3 s takes 10. Exit code 1: it has not ended.
set -euo pipefail

dir=${1:?wait_job.sh: use it as wait_job.sh DIR JOB [SECONDS]}
job=${2:?wait_job.sh: use it as wait_job.sh DIR JOB [SECONDS]}
end=$((SECONDS + ${3:-60}))
state=unknown
while ((SECONDS < end)); do
    record=$("$dir/enter" scontrol --oneliner show job "$job" 2>/dev/null || true)
    if [[ $record =~ JobState=([A-Z_]+) ]]; then
        state=${BASH_REMATCH[1]}
        case $state in
        PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | STOPPED | REQUEUED) ;;
        *)
            [[ $record =~ \ ExitCode=([0-9:]+) ]]
            echo "$state ${BASH_REMATCH[1]}"
            exit 0
            ;;
        esac
    fi
    sleep 0.1
done
echo "$state"
exit 1
