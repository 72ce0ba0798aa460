# shellcheck shell=bash
# Read after cluster.sh: several runs share one cluster. The lock is held while it comes up or goes down; each test run
# holds a share of `users` while its command runs. Both are file locks, which the kernel frees with their holder.

readonly GPUS_DEFAULT=4

# Fills FLAGS (GPUS KWOK_NODES) and COMMAND with what follows them.
read_flags() {
  local gpus="$GPUS_DEFAULT" kwok_nodes=0
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --gpus) gpus="${2:-}" ;;
      --kwok-nodes) kwok_nodes="${2:-}" ;;
      --) shift && break ;;
      *) break ;;
    esac
    [[ "${2:-}" =~ ^[0-9]+$ ]] || die "$1 takes a number" "$1 $gpus"
    shift 2
  done
  FLAGS=("$gpus" "$kwok_nodes")
  COMMAND=("$@")
}

refuse_what_is_lacking() {
  local lacking
  lacking="$(what_is_lacking)"
  [[ -z "$lacking" ]] || die "this machine can't run a cluster: ${lacking//$'\n'/; }" "provide it, or use another machine"
}

# Waits for whoever brings the cluster up or down.
take_lock() {
  mkdir -p "$CACHE"
  exec {LOCK_FILE}>>"$CACHE/cluster.lock"
  flock "$LOCK_FILE"
}

free_lock() { exec {LOCK_FILE}>&-; }

# Whether no test run is at work.
nobody_uses_it() { flock --exclusive --nonblock "$CACHE/users.lock" true; }

# Whether a cluster is up that can be worked in: not one that a killed test run brought up for itself, nor one of which a
# part has ended.
is_usable() {
  is_up || return 1
  if nobody_uses_it; then
    is_whole && [[ ! -f "$RUN/until-unused" ]]
  else
    is_whole || die "a part of the cluster has ended, and a test run uses it" "tests/run cluster status, then: tests/run cluster down --now"
  fi
}

# Builds what is missing and brings the cluster up; takes everything down again if that fails.
start_cluster() {
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'trap "" HUP INT TERM; clear_what_is_left' EXIT
  build_all
  [[ "${FLAGS[1]}" == 0 ]] || build_kwok
  cluster_up "${FLAGS[@]}"
  trap - EXIT HUP INT TERM
}
