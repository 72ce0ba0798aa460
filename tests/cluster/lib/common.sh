# shellcheck shell=bash
# Read by the scripts of tests/cluster: where things are, and how a process and a port are recognised.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
CACHE="$ROOT/.cache/cluster"
BIN="$CACHE/bin"
# Another version of Kubernetes has a Go module and a folder of programs of its own: KUBERNETES_VERSION=1.36.
KUBERNETES_MODULE="kubernetes${KUBERNETES_VERSION:+-$KUBERNETES_VERSION}"
KUBERNETES_BIN="$CACHE/bin${KUBERNETES_VERSION:+-$KUBERNETES_VERSION}"
readonly ROOT CACHE BIN KUBERNETES_MODULE KUBERNETES_BIN

die() {
  printf 'error: %s\n  remedy: %s\n' "$1" "$2" >&2
  exit 1
}

# Whether a process id is that of a program of ours: ids are given out again. Each further argument is a text of its
# command line.
is_ours() {
  local line text
  [[ -n "$1" ]] || return 1
  line="$(ps -ww -o args= -p "$1" 2>/dev/null || true)"
  shift
  for text in "$@"; do [[ "$line" == *"$text"* ]] || return 1; done
}

# 32 characters that nobody guesses.
random_token() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# A port below those that the system hands out for connections.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  printf '%s' "$port"
}

# What was unpacked of Debian's packages, and how its programs are found.
PACKAGES_FOLDER="$CACHE/packages"
readonly PACKAGES_FOLDER

# The folders of a package folder's libraries. usage: library_path FOLDER
library_path() { printf '%s:' "$1"/usr/lib/*-linux-gnu "$1"/lib/*-linux-gnu | sed 's/:$//'; }
