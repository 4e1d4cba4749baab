#!/bin/bash
# mpi.sh FOLDER: Debian's Open MPI as a folder that runs from any place, for a machine without MPI.
#
# Sourcing FOLDER/env.sh puts it on the PATH. The packages are downloaded by apt-get, not installed.
set -euo pipefail
folder=$(realpath -m "${1:?usage: tools/gpu_kit/mpi.sh FOLDER}")
arch=$(gcc -print-multiarch)
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
rm -rf "$folder"
mkdir -p "$folder"
(cd "$packages" && apt-get -qq -o APT::Sandbox::User=root download openmpi-bin openmpi-common libopenmpi3 \
    libpmix2 libmunge2 libhwloc15 libevent-core-2.1-7 libevent-pthreads-2.1-7)
for package in "$packages"/*.deb; do dpkg -x "$package" "$folder"; done
cd "$folder"
[[ ! -d lib/$arch ]] || { cp -a "lib/$arch/." "usr/lib/$arch/" && rm -rf lib; }
ln -s mpirun.openmpi usr/bin/mpirun
# Plugins for networks whose libraries do not come along would warn; others are for other languages.
plugins=usr/lib/$arch/openmpi/lib/openmpi3
rm -f "$plugins"/mca_{pml_ucx,osc_ucx,mtl_ofi,btl_ofi,mtl_psm,mtl_psm2,btl_openib,btl_usnic,reachable_netlink}.so \
    "$plugins"/mca_{scoll,spml,memheap,sshmem,atomic}_*.so "usr/lib/$arch"/libmca_common_{ucx,ofi,verbs}.so* \
    "usr/lib/$arch"/lib{mpi_java,oshmem,ompitrace}.so* "usr/lib/$arch"/libmpi_{mpifh,usempi}*.so*
rm -rf usr/share/{doc,man,lintian,bug,doc-base} usr/lib/udev "usr/lib/$arch/fortran"
cat >env.sh <<END
# env.sh: to be sourced; puts this Open MPI on the PATH, for ranks on this machine alone.
folder=\$(cd "\$(dirname "\${BASH_SOURCE[0]}")" && pwd)
export OPAL_PREFIX=\$folder/usr
export PMIX_LIBDIR=\$folder/usr/lib/$arch/pmix2/lib PMIX_DATADIR=\$folder/usr/lib/$arch/pmix2/share
export LD_LIBRARY_PATH=\$folder/usr/lib/$arch\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export PATH=\$folder/usr/bin:\$PATH
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_plm=isolated OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
export OMPI_MCA_btl_vader_single_copy_mechanism=none
END
