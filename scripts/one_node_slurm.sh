#!/bin/sh
# A SLURM of one node, this computer, for tests: Debian's packages, daemons started by hand.
#
#   sudo scripts/one_node_slurm.sh start    install what is missing, and start munged, slurmctld, slurmd
#   sudo scripts/one_node_slurm.sh stop     end them
#
# Its files lie in /var/tmp/one-node-slurm. It ends with status 3 where SLURM cannot be installed.
set -eu

folder=/var/tmp/one-node-slurm
export SLURM_CONF="$folder/slurm.conf"

# Processes of a name that this script started: they have its environment.
ours() {
    for pid in $(pgrep -x "$1" || true); do
        if grep -qz "^SLURM_CONF=$SLURM_CONF\$" "/proc/$pid/environ" 2>/dev/null; then
            echo "$pid"
        fi
    done
}

stop() {
    for name in slurmd slurmctld munged; do
        for signal in TERM KILL; do
            for pid in $(ours "$name"); do
                kill -s "$signal" "$pid" 2>/dev/null || true
            done
            for _ in $(seq 50); do
                [ -n "$(ours "$name")" ] || break
                sleep 0.2
            done
        done
    done
}

install() {
    command -v slurmctld >/dev/null && command -v munged >/dev/null && return
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "SLURM is not here, and installing it needs Debian and root." >&2
        exit 3
    fi
    apt-get update -qq || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge >/dev/null || {
        echo "apt-get cannot install slurm-wlm and munge." >&2
        exit 3
    }
}

start() {
    install
    stop
    mkdir -p "$folder/state" "$folder/spool" "$folder/munge"
    # munged refuses folders that others may write to, and /var/tmp is one.
    chmod 755 "$folder" "$folder/munge"
    [ -f "$folder/munge/key" ] || dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 2>/dev/null
    chmod 400 "$folder/munge/key"
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munge/log" \
        --seed-file="$folder/munge/seed"
    cat >"$SLURM_CONF" <<CONF
ClusterName=one-node
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
KillWait=5
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=$(hostname -s) Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
CONF
    # Without what it remembers: a node that was ended is down for it.
    slurmctld -c
    slurmd
    for _ in $(seq 60); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then
            echo "$SLURM_CONF"
            exit 0
        fi
        sleep 1
    done
    echo "SLURM does not become idle; see $folder/*.log." >&2
    exit 1
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    *) sed -n '2,7p' "$0"; exit 2 ;;
esac
