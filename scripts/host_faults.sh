#!/usr/bin/env bash
# What happens to a run on several hosts when a disk fills, a shared folder goes away, or a rank stands still.
#
#     scripts/host_faults.sh [--occult .build/release/occult] [--folder .build/host-faults] [--steps 8] [--pause 60] [CASE …]
#
# Hosts are network namespaces (scripts/limited_links.sh), one rank on each; the shared folder is a small ext4 file system in a
# file, mounted for all of them. A case disturbs a fine-tuning of checkpoints/base.h5 on two ranks, looks at what is left, and
# resumes it; weights must be those of an undisturbed run, bit by bit. Cases:
#
#     full        the shared disk fills, at several sizes: every rank ends, with a message; no damaged checkpoint
#     full-host   the disk of one rank's host is full: TMPDIR has no byte left; the run does not need it
#     gone        the shared folder is unmounted while the run writes, and mounted again: as with full
#     frozen      the shared folder stands still for a while, as a hard network mount does: the run waits and goes on
#     stopped     a rank is stopped for --pause seconds (SIGSTOP) and goes on (SIGCONT), the first rank and the second
#     killed      a rank is killed: the others end
#
# Prints a table in Markdown, and exits with 1 if something did not hold. Needs root, iproute2, e2fsprogs and util-linux.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
occult=$root/.build/release/occult folder=$root/.build/host-faults steps=8 pause=60 limit=900
fail() {
  echo "host_faults: $1" >&2
  exit 1
}
while [[ ${1-} == --* ]]; do
  [[ $# -ge 2 ]] || fail "expected a value behind $1, found none"
  case $1 in
    --occult) occult=$(realpath "$2") ;;
    --folder) folder=$2 ;;
    --steps) steps=$2 ;;
    --pause) pause=$2 ;;
    *) fail "expected --occult, --folder, --steps or --pause, found '$1'" ;;
  esac
  shift 2
done
cases=("$@")
[[ $# -gt 0 ]] || cases=(full full-host gone frozen stopped killed)
[[ $(id -u) == 0 ]] || fail "expected root, which mounts and makes namespaces, found uid $(id -u); try sudo $0 …"
[[ -x $occult ]] || fail "expected the program at $occult, found none; try make build, or --occult FILE"
for tool in mkfs.ext4 mount fsfreeze ip tc mpirun; do
  PATH=$PATH:/sbin:/usr/sbin command -v $tool >/dev/null \
    || fail "expected $tool, found none; try apt-get install e2fsprogs util-linux iproute2 openmpi-bin"
done
PATH=$PATH:/sbin:/usr/sbin

mkdir -p "$folder"
folder=$(realpath "$folder")
hosts=$folder/hosts shared=$folder/hosts/shared image=$folder/shared.img
run=$shared/run
runner=
clean() {
  trap - EXIT
  [[ -z $runner ]] || kill "$runner" 2>/dev/null || true
  fsfreeze --unfreeze "$shared" 2>/dev/null || true
  umount -l "$shared" 2>/dev/null || true
  umount -l "$hosts" 2>/dev/null || true
  rm -f "$image"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What is mounted below a shared mount appears in the namespaces of all hosts, and goes away there.
mkdir -p "$hosts"
mountpoint -q "$hosts" || mount --bind "$hosts" "$hosts"
mount --make-shared "$hosts"
mkdir -p "$shared" "$folder/tmp"

# fresh MEGABYTES: an empty shared folder of this size.
fresh() {
  umount -l "$shared" 2>/dev/null || true
  rm -f "$image"
  truncate -s "$1M" "$image"
  mkfs.ext4 -q -m 0 -O ^has_journal "$image"
  mount -o loop "$image" "$shared"
}

# On a host: its TMPDIR, full where the case asks for it.
cat >"$folder/rank.sh" <<RANK
#!/usr/bin/env bash
if [[ \${FULL_RANK-} == "\$OMPI_COMM_WORLD_RANK" ]]; then
  mount -t tmpfs -o size=4k none "$folder/tmp"
  head -c 1M /dev/zero >"$folder/tmp/filler" 2>/dev/null
fi
export TMPDIR=$folder/tmp
exec "$occult" "\$@"
RANK
chmod +x "$folder/rank.sh"

# finetune NAME [ARGUMENT …]: on two hosts, in the background; messages go to NAME.error.
finetune() {
  local name=$1
  shift
  # mpirun carries over only what it is told to.
  bash -c "cd '$root' && exec scripts/limited_links.sh --ranks 2 --hosts 2 --rate 1gbit --timeout $limit -x FULL_RANK='${full_rank-}' \
    '$folder/rank.sh' finetune recipes/quickstart.yaml routing.devices=2 routing.device_limit=1 schedule.max_steps=$steps \
    schedule.batch_tokens=1024 schedule.warmup_steps=1 run.evaluate_every=none save.every=1 save.keep=1 output='$run' $*" \
    >"$folder/$name.output" 2>"$folder/$name.error" &
  runner=$! began=$SECONDS
}

# finish: waits for the run in the background; its status is in `status`.
finish() {
  status=0
  wait "$runner" || status=$?
  runner=
  took=$((SECONDS - began))
}

# step N: waits until N steps are done, or the run is over.
step() {
  while kill -0 "$runner" 2>/dev/null && [[ $(wc -l 2>/dev/null <"$run/metrics.jsonl" || echo 0) -lt $1 ]]; do sleep 0.1; done
}

# rank_process N: the process of a rank.
rank_process() {
  for process in $(pgrep -x occult); do
    grep -qz "^OMPI_COMM_WORLD_RANK=$1\$" "/proc/$process/environ" 2>/dev/null \
      && grep -qz "^TMPDIR=$folder/tmp\$" "/proc/$process/environ" && echo "$process"
  done
}

# weights FILE: their bits alone, without recipe and times.
weights() {
  rm -rf "$folder/weights"
  "$occult" convert "$1" "$folder/weights" --allow-unlimited >/dev/null 2>&1
  cat "$folder"/weights/*.safetensors | sha256sum | cut -d' ' -f1
}

declare -A tried held
notes=()
# verdict CASE OK WORDS
verdict() {
  tried[$1]=$((${tried[$1]-0} + 1))
  if [[ $2 == 1 ]]; then held[$1]=$((${held[$1]-0} + 1)); else notes+=("$1: $3"); fi
  echo "$1: $([[ $2 == 1 ]] && echo held || echo WRONG): $3"
}

# whole: every checkpoint under a final name is complete.
whole() {
  local file
  for file in "$run"/checkpoints/*.h5 "$run"/final.h5; do
    [[ ! -e $file ]] || "$occult" inspect "$file" --verify >/dev/null 2>"$folder/inspect.error" || return 1
  done
}

# resumes: the run goes on to the bits of the undisturbed one.
resumes() {
  local how=--resume
  [[ -e $run ]] || how=
  full_rank='' finetune resumed $how
  finish
  [[ $status == 0 && $(weights "$run/final.h5") == "$reference" ]]
}

# says NAME PATTERN: a message of the program has it.
says() { grep -qE "$2" "$folder/$1.error"; }

# last NAME: what a run said, as far as it tells why it ended.
last() { grep -m 2 "expected" "$folder/$1.error" | cut -c 1-300 | tr '\n' ' ' || tail -c 300 "$folder/$1.error" | tr '\n' ' '; }

# broken CASE PATTERN WORDS: after a run that failed: message, checkpoints, resuming.
broken() {
  local ended=$status
  if [[ $status == 0 ]]; then verdict "$1" 0 "$3: exit 0"
  elif [[ $took -ge $limit ]]; then verdict "$1" 0 "$3: the ranks did not end by themselves"
  elif ! says "$1" "$2"; then verdict "$1" 0 "$3: no message like '$2': $(last "$1")"
  elif ! whole; then verdict "$1" 0 "$3: a damaged checkpoint: $(cat "$folder/inspect.error")"
  elif [[ -n ${larger-} ]] && ! larger_disk; then verdict "$1" 0 "$3: the disk could not be enlarged"
  elif ! resumes; then verdict "$1" 0 "$3: resuming failed or gave other bits: $(last resumed)"
  else verdict "$1" 1 "$3: ended with a message ($ended), resumed to the same bits"; fi
}

# The shared disk has room again.
larger_disk() {
  umount "$shared"
  truncate -s 600M "$image"
  e2fsck -fp "$image" >/dev/null || [[ $? -le 1 ]]
  resize2fs "$image" >/dev/null 2>&1
  mount -o loop "$image" "$shared"
}

# unharmed CASE WORDS: after a run that had to go on.
unharmed() {
  if [[ $status != 0 ]]; then verdict "$1" 0 "$2: exit $status: $(last "$1")"
  elif [[ $(weights "$run/final.h5") != "$reference" ]]; then verdict "$1" 0 "$2: other bits"
  else verdict "$1" 1 "$2: went on to the same bits"; fi
}

fresh 600
full_rank='' finetune reference
finish
[[ $status == 0 ]] || fail "expected an undisturbed run to end well, found exit $status: $(tail -5 "$folder/reference.error")"
reference=$(weights "$run/final.h5")
echo "reference: $(du -sm "$run" | cut -f1) MiB, $steps steps"

for case in "${cases[@]}"; do
  case $case in
    full)
      for size in 40 70 100 130 150 170; do
        fresh $size
        full_rank='' finetune full
        finish
        larger=1 broken full "No space left on device" "$size MiB"
      done
      ;;
    full-host)
      for rank in 0 1; do
        fresh 600
        full_rank=$rank finetune full-host
        finish
        unharmed full-host "TMPDIR of rank $rank is full"
      done
      ;;
    gone)
      for moment in 1 2 4; do
        fresh 600
        full_rank='' finetune gone
        step $moment
        umount -l "$shared"
        finish
        mount -o loop "$image" "$shared"
        broken gone "$run.*: expected" "unmounted after step $moment"
      done
      ;;
    frozen)
      fresh 600
      full_rank='' finetune frozen
      step 2
      fsfreeze --freeze "$shared"
      sleep "$pause"
      fsfreeze --unfreeze "$shared"
      finish
      unharmed frozen "frozen for $pause s"
      ;;
    stopped)
      for rank in 0 1; do
        fresh 600
        full_rank='' finetune stopped
        step 2
        process=$(rank_process $rank)
        kill -STOP $process
        sleep "$pause"
        kill -CONT $process
        finish
        unharmed stopped "rank $rank stopped for $pause s"
      done
      ;;
    killed)
      for rank in 0 1; do
        fresh 600
        full_rank='' finetune killed
        step 3
        kill -KILL $(rank_process $rank)
        finish
        broken killed "signal 9|Killed" "rank $rank killed"
      done
      ;;
    *) fail "expected full, full-host, gone, frozen, stopped or killed, found '$case'" ;;
  esac
done

echo
echo "| case | tried | held |"
echo "|---|---:|---:|"
for case in "${cases[@]}"; do echo "| $case | ${tried[$case]-0} | ${held[$case]-0} |"; done
for note in "${notes[@]+"${notes[@]}"}"; do echo "wrong: $note"; done
[[ ${#notes[@]} == 0 ]]
