#!/usr/bin/env bash
# A SLURM of one node on this machine's loopback, from Debian's packages; for tests, as root.
#   loopback_slurm.sh install       the packages, if they are not there
#   loopback_slurm.sh start DIR     munge, controller and node; DIR keeps keys, state and logs
#   loopback_slurm.sh stop DIR
# Neither systemd nor cgroups are needed. A configuration that is not this script's is left alone.
set -euo pipefail
conf=/etc/slurm/slurm.conf
mark="# written by loopback_slurm.sh"

install() {
  command -v slurmctld slurmd munged sbatch >/dev/null && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge
}

start() {
  local dir=$1 host
  host=$(hostname -s)
  if [ -e "$conf" ] && ! grep -qxF "$mark" "$conf"; then
    echo "$conf belongs to another SLURM" >&2
    exit 1
  fi
  mkdir -p "$dir"/{munge,state,spool} /etc/slurm
  chmod 755 "$dir" "$dir/munge"
  head -c 1024 /dev/urandom >"$dir/munge/key"
  chmod 400 "$dir/munge/key"
  munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munge/seed"
  # More CPUs than the machine may have (config_overrides), for a controller and two jobs beside it.
  # SLURM_CONF does not reach job steps, hence the one place where everything looks. Memory beyond a job's
  # share is enforced by the gathering of its use, every second, where there are no cgroups.
  cat >"$conf" <<CONF
$mark
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/finished_jobs.txt
ReturnToService=2
MinJobAge=600
KillWait=20
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes=$host Default=YES MaxTime=120 State=UP
PartitionName=gpu Nodes=$host MaxTime=120 State=UP
CONF
  echo "NodeName=$host Name=gpu Count=1 File=/dev/zero" >/etc/slurm/gres.conf
  slurmctld -c
  slurmd
  for _ in $(seq 300); do
    sinfo -h -o %T 2>/dev/null | grep -q idle && exit 0
    sleep 0.2
  done
  echo "SLURM did not come up; its logs are in $dir" >&2
  exit 1
}

stop() {
  local daemon
  for daemon in slurmd slurmctld munged; do
    [ -s "$1/$daemon.pid" ] && kill "$(cat "$1/$daemon.pid")" 2>/dev/null || true
  done
  grep -qxF "$mark" "$conf" 2>/dev/null && rm -f "$conf" /etc/slurm/gres.conf
}

case $1 in
  install) install ;;
  start) start "$(realpath -m "$2")" ;;
  stop) stop "$(realpath -m "$2")" ;;
esac
