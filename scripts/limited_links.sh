#!/usr/bin/env bash
# Several hosts on one machine: runs a command under mpirun on hosts that are network namespaces, each behind a link of limited
# rate; one rank on each, or as many as --hosts leaves.
#
#     scripts/limited_links.sh [--ranks 4] [--hosts 4] [--rate 100mbit] [--delay 5ms] [--timeout 900] COMMAND [ARGUMENT …]
#
# Ranks of one host share memory. Hosts are named in a hostfile, as real ones are. A host's link is a veth pair to a bridge,
# with `tc … tbf` on both ends, so that the rate holds in each direction by itself. Open MPI talks TCP over these links, for its
# own control as well; in place of ssh it is given an agent that enters the namespace. mpirun and the bridge have a namespace
# too: the network of the machine itself is not touched, and all of it goes away when the script ends. Needs root and Debian's
# package iproute2.
set -euo pipefail

ranks=4 hosts= rate=100mbit delay= limit=900
fail() {
  echo "limited_links: $1" >&2
  exit 1
}
usage="[--ranks N] [--hosts N] [--rate 100mbit] [--delay 5ms] [--timeout SECONDS] COMMAND [ARGUMENT …]"
while [[ ${1-} == --* ]]; do
  [[ $# -ge 2 ]] || fail "expected a value behind $1, found none; try $usage"
  case $1 in
    --ranks) ranks=$2 ;;
    --hosts) hosts=$2 ;;
    --rate) rate=$2 ;;
    --delay) delay=$2 ;;
    --timeout) limit=$2 ;;
    *) fail "expected --ranks, --hosts, --rate, --delay or --timeout, found '$1'; try $usage" ;;
  esac
  shift 2
done
[[ $# -ge 1 ]] || fail "expected a command, found none; try $usage"
[[ $ranks =~ ^[0-9]+$ && $ranks -ge 1 && $ranks -le 64 ]] || fail "expected 1 to 64 ranks, found '$ranks'; try --ranks 4"
[[ -n $hosts ]] || hosts=$ranks
[[ $hosts =~ ^[0-9]+$ && $hosts -ge 1 && $((ranks % hosts)) == 0 ]] \
  || fail "expected a divisor of $ranks ranks as hosts, found '$hosts'; try --hosts $ranks"
[[ $(id -u) == 0 ]] || fail "expected root, which makes namespaces, found uid $(id -u); try sudo $0 …"
for tool in ip tc unshare mpirun; do
  PATH=$PATH:/sbin:/usr/sbin command -v $tool >/dev/null \
    || fail "expected $tool, found none; try apt-get install iproute2 util-linux openmpi-bin"
done
PATH=$PATH:/sbin:/usr/sbin

name=occult$$ subnet=10.77.0
agent=$(mktemp) hostfile=$(mktemp)
spaces=()
clean() {
  trap - EXIT
  for space in "${spaces[@]}"; do
    # What is still running in a namespace of ours was started by this script.
    for process in $(ip netns pids "$space" 2>/dev/null); do kill "$process" 2>/dev/null || true; done
    ip netns delete "$space" 2>/dev/null || true
  done
  rm -f "$agent" "$hostfile"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# make NAME: a namespace whose loopback is up.
make() {
  ip netns add "$1" || fail "expected to make a network namespace, found that it is refused; try a machine or container with CAP_SYS_ADMIN"
  spaces+=("$1")
  ip -netns "$1" link set lo up
}

# shape NAMESPACE DEVICE: the rate of what leaves through the device, and its delay.
shape() {
  tc -netns "$1" qdisc add dev "$2" root handle 1: tbf rate "$rate" burst 32kb latency 200ms \
    || fail "expected tc to set a rate of '$rate', found that it is refused; try --rate 100mbit and a kernel with sch_tbf"
  [[ -z $delay ]] || tc -netns "$1" qdisc add dev "$2" parent 1:1 handle 2: netem delay "$delay" limit 10000 \
    || fail "expected tc to set a delay of '$delay', found that it is refused; try without --delay, which needs a kernel with sch_netem"
}

make "$name-hub"
ip -netns "$name-hub" link add hub type bridge || fail "expected to make a bridge, found that it is refused; try a kernel with bridge"
ip -netns "$name-hub" address add "$subnet.254/24" dev hub
ip -netns "$name-hub" link set hub up
for ((host = 0; host < hosts; host++)); do
  space=$name-$host
  make "$space"
  ip -netns "$name-hub" link add "port$host" type veth peer name wire netns "$space" \
    || fail "expected to make a veth pair, found that it is refused; try a kernel with veth"
  ip -netns "$name-hub" link set "port$host" master hub up
  ip -netns "$space" address add "$subnet.$((host + 1))/24" dev wire
  ip -netns "$space" link set wire up
  shape "$name-hub" "port$host"
  shape "$space" wire
  echo "$subnet.$((host + 1)) slots=$((ranks / hosts))" >>"$hostfile"
done

# Called as ssh is: with a host, and a command line in pieces. A host name of its own keeps Open MPI's files apart.
cat >"$agent" <<AGENT
#!/bin/sh
address=\$1
shift
host=\$((\${address##*.} - 1))
exec ip netns exec "$name-\$host" unshare --uts sh -c "hostname host\$host && \$*"
AGENT
chmod +x "$agent"

[[ -z ${OMPI_ALLOW_RUN_AS_ROOT-} ]] && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# All ranks share this machine's processors, which Open MPI cannot know: it must neither bind ranks nor let them wait busily.
ip netns exec "$name-hub" timeout --kill-after 10 "$limit" mpirun -n "$ranks" --hostfile "$hostfile" --map-by "ppr:$((ranks / hosts)):node" --bind-to none \
  --mca plm rsh --mca plm_rsh_agent "$agent" --mca plm_rsh_no_tree_spawn 1 --mca routed direct \
  --mca oob_tcp_if_include "$subnet.0/24" --mca btl_tcp_if_include "$subnet.0/24" --mca pml ob1 --mca btl tcp,vader,self \
  --mca mpi_yield_when_idle 1 -x OCCULT_THREADS="${OCCULT_THREADS:-1}" "$@"
