# shellcheck shell=sh
# mpi_env.sh: lets mpirun start more ranks than there are cores, in a container too. To be sourced.
#
# Open MPI refuses more ranks than cores, and root, unless it is told otherwise; ranks that share a
# core must not be bound to one, and must yield it while they wait (without that, a wait takes 100
# times as long). OMPI_ is read by Open MPI 3 and 4, PRTE_ by 5; other MPIs need none of it.
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_mpi_yield_when_idle=1
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export PRTE_MCA_hwloc_default_binding_policy=none
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# MPIRUN=mpirun.mpich: another one than the first on the PATH, for everything that starts ranks. Not
# a link, beside which MPICH would look for its helpers. Written aside, for others may do the same now.
if [ -n "${MPIRUN:-}" ]; then
    case $PATH in "$PWD/build/mpirun:"*) ;; *)
        mkdir -p build/mpirun
        # shellcheck disable=SC2016 # "$@" is the script's own
        printf '#!/bin/sh\nexec "%s" "$@"\n' "$(command -v "$MPIRUN")" >"build/mpirun/new.$$"
        chmod +x "build/mpirun/new.$$" && mv -f "build/mpirun/new.$$" build/mpirun/mpirun
        PATH=$PWD/build/mpirun:$PATH
        export PATH
        ;;
    esac
fi
