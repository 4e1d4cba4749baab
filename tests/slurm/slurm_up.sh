#!/bin/bash
# slurm_up.sh DIR [NODES=1] [CPUS=4] [GPUS=0]: starts a real Slurm, all of it in DIR.
#
# It exists so that hw6.sh is tested by the scheduler that will run it, without a cluster. It needs
# root, but neither systemd nor any configuration of the machine. One node is this machine; several
# are imitated, each in its own network, host name and /dev/shm, so that ranks on two of them can
# only meet through TCP, as on a cluster. GPUS are names without devices: they satisfy --gres.
# Afterwards DIR/enter COMMAND... runs a command on the login node; slurm_down.sh DIR ends it all.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # where the daemons are

[[ $# -ge 1 && $# -le 4 ]] || {
    echo "slurm_up.sh: use it as slurm_up.sh DIR [NODES] [CPUS] [GPUS]" >&2
    exit 2
}
mkdir -p "$1"
dir=$(realpath "$1")
nodes=${2:-1}
cpus=${3:-4}
gpus=${4:-0}
imitate=$((nodes > 1))
export SLURM_CONF=$dir/slurm.conf
mkdir -p "$dir"/{run,log,state}

# Ends with what the daemons said; whoever called this script has to call slurm_down.sh as well.
give_up() {
    echo "slurm_up.sh: $*; the daemons' last words:" >&2
    tail -n 15 "$dir"/log/* >&2 || true
    exit 1
}

# start COMMAND...: runs a daemon; slurm_down.sh knows it by the SLURM_CONF in its environment.
start() {
    setsid "$@" >>"$dir/log/stdio.log" 2>&1 </dev/null &
}

# until_true WHAT COMMAND...: waits for at most 30 s.
until_true() {
    local what=$1 i
    shift
    for ((i = 0; i < 600; i++)); do
        if "$@"; then return; fi
        sleep 0.05
    done
    give_up "$what did not happen within 30 s"
}

# A port is free when nobody listens on it. Only one node on the machine's own network has to care.
first_free_ports() {
    local port used
    used=$(ss --listening --tcp --numeric --no-header | awk '{ sub(/.*:/, "", $4); print $4 }')
    for ((port = 20000 + RANDOM % 10000; port < 32000; port++)); do
        if ! grep -qxE "$port|$((port + 1))" <<<"$used"; then
            echo "$port"
            return
        fi
    done
    give_up "no two free TCP ports lie between 20000 and 32000"
}

# A network namespace, with its host name, lives as long as the process that holds it.
declare -A holder=()
hold_namespace() {
    # shellcheck disable=SC2016 # the inner shell expands these
    start unshare --net --uts --mount --propagation private -- bash -euc '
        hostname "$1"
        ip link set lo up
        mount -t tmpfs tmpfs /dev/shm
        mount --bind "$2/hosts" /etc/hosts
        touch "$2/run/namespace.$1"
        exec sleep infinity' bash "$1" "$dir"
    holder[$1]=$!
    until_true "the network namespace of $1" test -e "$dir/run/namespace.$1"
}

# Nodes 10.99.0.1 to 10.99.0.N and the login node 10.99.0.254 meet at a bridge on the login node.
build_network() {
    local i
    printf '127.0.0.1 localhost\n10.99.0.254 login\n' >"$dir/hosts"
    for ((i = 1; i <= nodes; i++)); do echo "10.99.0.$i node$i" >>"$dir/hosts"; done
    hold_namespace login
    for ((i = 1; i <= nodes; i++)); do hold_namespace "node$i"; done
    in_network login ip link add bridge0 type bridge
    in_network login ip addr add 10.99.0.254/24 dev bridge0
    in_network login ip link set bridge0 up
    for ((i = 1; i <= nodes; i++)); do
        in_network login ip link add "to_node$i" type veth peer name eth0 netns "${holder[node$i]}"
        in_network login ip link set "to_node$i" master bridge0 up
        in_network "node$i" ip addr add "10.99.0.$i/24" dev eth0
        in_network "node$i" ip link set eth0 up
    done
}
in_network() {
    local name=$1
    shift
    nsenter --target "${holder[$name]}" --net -- "$@"
}

# start_on NODE COMMAND...: starts a daemon on that node, or simply here when there is only one.
start_on() {
    local name=$1
    shift
    if ((imitate)); then
        start nsenter --target "${holder[$name]}" --net --uts --mount -- "$@"
    else
        start "$@"
    fi
}

write_configuration() {
    local port=$1 node_lines=$2 gres=
    ((gpus == 0)) || gres="Gres=gpu:$gpus"
    cat >"$SLURM_CONF" <<END
ClusterName=hw6
SlurmctldHost=$controller
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthInfo=socket=$dir/run/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
# PMIx keeps a directory a job step here, which two nodes of one machine may not share.
TmpFS=$dir/tmp.%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.%n.log
MailProg=/bin/true
MpiDefault=pmix
ReturnToService=2
KillWait=3
# Neither control groups nor the true number of cores may be asked for: a container has neither.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# A test has no patience: decide at once instead of every few seconds or minutes.
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1,sched_interval=1
GresTypes=gpu
$node_lines CPUs=$cpus RealMemory=4000 State=UNKNOWN $gres
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    ((gpus == 0)) || echo "Name=gpu File=$dir/gpu[1-$gpus]" >"$dir/gres.conf"
}

if ((imitate)); then
    build_network
    controller="login(10.99.0.254)"
    names=()
    for ((i = 1; i <= nodes; i++)); do names+=("node$i"); done
    write_configuration 6817 \
        "NodeName=node[1-$nodes] NodeHostname=node[1-$nodes] NodeAddr=10.99.0.[1-$nodes] Port=6818"
    enter="exec nsenter --target ${holder[login]} --net --uts --mount --wd=\"\$PWD\" -- \"\$@\""
else
    host=$(uname -n)
    host=${host%%.*}
    controller="$host(127.0.0.1)"
    names=("$host")
    port=$(first_free_ports)
    write_configuration "$port" \
        "NodeName=$host NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1))"
    enter="exec \"\$@\""
fi
printf '#!/bin/bash\nexport SLURM_CONF=%q\n%s\n' "$SLURM_CONF" "$enter" >"$dir/enter"
chmod +x "$dir/enter"
for ((i = 1; i <= gpus; i++)); do mknod "$dir/gpu$i" c 1 3; done

(umask 077 && head -c 128 /dev/urandom >"$dir/run/munge.key")
start munged --foreground --key-file="$dir/run/munge.key" --socket="$dir/run/munge.socket" \
    --pid-file="$dir/run/munged.pid" --log-file="$dir/log/munged.log" \
    --seed-file="$dir/run/munge.seed" --num-threads=2
until_true "the start of munged" test -S "$dir/run/munge.socket"

start_on login slurmctld -D -f "$SLURM_CONF"
for name in "${names[@]}"; do
    mkdir -p "$dir/spool.$name" "$dir/tmp.$name"
    start_on "$name" slurmd -D -f "$SLURM_CONF" -N "$name"
done
all_idle() { [[ $("$dir/enter" sinfo --noheader --format=%T%D 2>/dev/null) == "idle$nodes" ]]; }
until_true "that all $nodes nodes are idle" all_idle
