# shellcheck shell=bash
# Read after common.sh and control-plane.sh: brings a whole cluster up and takes it down again. Everything of it lives in
# namespaces of its own (processes, mounts, network), so what is to be cleared on the machine itself is one process, one
# link, one cgroup per hierarchy and the folders named in RUN/made-folders.

RUN="$CACHE/run"                 # certificates, data and sockets of the cluster that is up
LOGS="$CACHE/logs"               # of the last one, up or not
# Two checkouts on one machine do not get in each other's way.
ID="$(cksum <<<"$ROOT" | cut -d' ' -f1)"
LINK="phase$((ID % 1000000000))" # a link's name has 15 characters at most
CGROUP="phaseloop-$ID"
# The machine's address of the link to the cluster, and the cluster's: 198.18.128.0/17 in pieces of four.
NETWORK="198.18.$((128 + ID % 8192 / 64)).$((ID % 64 * 4))"
MACHINE_ADDRESS="${NETWORK%.*}.$((${NETWORK##*.} + 2))"
CLUSTER_ADDRESS="${NETWORK%.*}.$((${NETWORK##*.} + 1))"
SERVER="https://$CLUSTER_ADDRESS:6443"
KUBECONFIG_FILE="$RUN/kubeconfig"
NODE=node-1
NODE_PATH="$PACKAGES_FOLDER/links:$PACKAGES_FOLDER/usr/bin:$PACKAGES_FOLDER/usr/sbin:$PATH"
readonly NODE_PATH RUN LOGS ID LINK CGROUP NETWORK MACHINE_ADDRESS CLUSTER_ADDRESS SERVER KUBECONFIG_FILE NODE

# What containerd and the kubelet write to whatever they are told. In the cluster's namespace a folder of the run lies over
# each; where the machine lacks one, it is made for the time of the run, and stays empty.
# The controller manager's provisioner for tests fills claims there.
readonly CLAIMS=/tmp
readonly FIXED_FOLDERS=(/run/containerd /var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers
  /run/mount "$CLAIMS/hostpath_pv")
# Everything together takes 20 s where nothing else runs. A machine that compiles besides may need many times that.
readonly READY_SECONDS_MAX=400
readonly GONE_SECONDS_MAX=60
readonly COMPONENTS=(etcd containerd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet)
# What the node says of its GPUs, as NVIDIA's device plugin and feature discovery would.
readonly GPU_LABELS='"nvidia.com/gpu.present":"true","nvidia.com/gpu.product":"NVIDIA-H100-80GB-HBM3"'

# What this machine lacks for a cluster, one reason a line; nothing where it lacks nothing.
what_is_lacking() {
  [[ "$(id -u)" == 0 ]] || echo "this user is not root: namespaces, mounts and cgroups need it"
  [[ "$(uname -s)" == Linux ]] || echo "this is not Linux"
  command -v go >/dev/null || echo "go was not found: the programs of Kubernetes are built from their Go modules"
  local tool
  for tool in curl ip unshare nsenter flock tar sha256sum ps pgrep; do
    command -v "$tool" >/dev/null || echo "$tool was not found"
  done
  unshare --help 2>/dev/null | grep -q -e --kill-child || echo "unshare knows no --kill-child: util-linux is older than 2.32"
  command -v apt-get >/dev/null || [[ -f "$PACKAGES_FOLDER/unpacked" ]] ||
    echo "apt-get was not found: containerd comes from the packages of Debian or Ubuntu"
  grep -q cgroup /proc/self/mounts || echo "no cgroup hierarchy is mounted"
  may_make_namespaces || echo "namespaces can't be made here: a container without the rights for it, or a kernel without them"
}

# Tried, and not concluded from who this is: root in a container often may not.
may_make_namespaces() { unshare --mount --pid --net --ipc --fork --mount-proc true 2>/dev/null; }

# Everything that a cluster is made of.
build_all() {
  "$ROOT/tests/cluster/fetch-packages"
  "$ROOT/tests/cluster/build-tools"
  build_images
}

# kwok, and what it plays: the stages of nodes and pods that its own module has for a quick start.
build_kwok() {
  "$ROOT/tests/cluster/build-tools" kwok
  [[ "$BIN/kwok" -nt "$BIN/kwok-stages.yaml" ]] || return 0
  local module file
  module="$(cd "$ROOT/tests/cluster/tools/kwok" && GOWORK=off go mod download sigs.k8s.io/kwok &&
    GOWORK=off go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)"
  for file in "$module"/kustomize/stage/{node/fast/node,node/heartbeat-with-lease/node,pod/fast/pod}-*.yaml; do
    printf -- '---\n'
    cat "$file"
  done >"$BIN/kwok-stages.yaml.new"
  mv "$BIN/kwok-stages.yaml.new" "$BIN/kwok-stages.yaml"
}

# Two images of our own: what holds a pod, and a shell.
build_images() {
  local content="$CACHE/image-content" images="$CACHE/images"
  mkdir -p "$images"
  rm -rf "$content"
  if [[ "$BIN/pause" -nt "$images/pause.tar" ]]; then
    mkdir -p "$content"
    cp "$BIN/pause" "$content/pause"
    "$ROOT/tests/cluster/make-image" localhost/phaseloop-test/pause:1 "$content" "$images/pause.tar" '{"Entrypoint":["/pause"]}'
    rm -rf "$content"
  fi
  if [[ "$PACKAGES_FOLDER/unpacked" -nt "$images/shell.tar" ]]; then
    mkdir -p "$content/bin" "$content/tmp" "$content/etc"
    chmod 1777 "$content/tmp"
    cp "$PACKAGES_FOLDER/links/busybox" "$content/bin/busybox"
    local name
    for name in $("$content/bin/busybox" --list); do
      [[ "$name" == busybox ]] || ln -s busybox "$content/bin/$name"
    done
    printf 'root:x:0:0:root:/:/bin/sh\n' >"$content/etc/passwd"
    "$ROOT/tests/cluster/make-image" localhost/phaseloop-test/shell:1 "$content" "$images/shell.tar" \
      '{"Cmd":["/bin/sh"],"Env":["PATH=/bin"]}'
    rm -rf "$content"
  fi
}

# The one of the cluster's version, whatever KUBERNETES_VERSION says.
kubectl() { "$RUN/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }

# The process on the machine that holds the namespaces; nothing where none of ours is there.
holder() {
  local process
  process="$(cat "$RUN/holder.pid" 2>/dev/null || true)"
  if is_ours "$process" tests/cluster/node "$RUN"; then printf '%s' "$process"; fi
}

# The cluster's first process, by its number on the machine: all others end with it.
first_process() {
  local process
  process="$(holder)"
  [[ -z "$process" ]] || cut -d' ' -f1 "/proc/$process/task/$process/children" 2>/dev/null || true
}

# Runs a command among the cluster's processes, with its mounts and its network.
in_cluster() { nsenter --target "$(first_process)" --mount --pid --net --ipc -- "$@"; }

is_up() { [[ -f "$RUN/ready" && -n "$(first_process)" ]]; }

# Up, and no part of it has ended.
is_whole() { is_up && [[ ! -s "$RUN/ended" ]]; }

# usage: cluster_up GPUS KWOK_NODES
cluster_up() {
  local began="$SECONDS"
  clear_what_is_left
  mkdir -p "$RUN"
  chmod 700 "$RUN"
  ln -s "$KUBERNETES_BIN/kubectl" "$RUN/kubectl"
  make_folders
  make_cgroups
  write_credentials
  [[ "$2" == 0 ]] || touch "$RUN/wants-kwok"
  start_node
  join_network
  await "the API server" answers_ready "$RUN" "$SERVER" "$(cat "$RUN/administrator.token")"
  await "containerd" in_cluster env "PATH=$NODE_PATH" ctr --address /run/containerd/containerd.sock version
  local image
  for image in "$CACHE"/images/*.tar; do load_image "$image"; done
  await "the node" node_is_ready
  offer_gpus "$NODE" "$1"
  kubectl apply -f "$ROOT/tests/cluster/storage-class.yaml" >/dev/null
  [[ "$2" == 0 ]] || add_kwok_nodes "$1" "$2"
  await "the default ServiceAccount" kubectl get --namespace default serviceaccount default
  printf '%s\n' "$EPOCHSECONDS" >"$RUN/ready"
  printf 'up in %d s\n' "$((SECONDS - began))"
}

# Makes what is missing of the fixed folders, and remembers it first: an end in between leaves nothing behind. What the
# cluster of another checkout made is remembered too, so that the last to leave removes it.
make_folders() {
  local folder parent others machine
  exec {machine}</run
  flock "$machine"
  others="$(folders_of_others)"
  for folder in "${FIXED_FOLDERS[@]}"; do
    parent="$folder"
    while [[ ! -d "$parent" ]] || grep -qxF "$parent" <<<"$others"; do
      printf '%s\n' "$parent" >>"$RUN/made-folders"
      parent="$(dirname "$parent")"
    done
    mkdir -p "$folder" "$RUN/fixed$folder"
  done
  chmod 1777 "$RUN/fixed$CLAIMS/hostpath_pv"
  exec {machine}>&-
}

# What clusters of other checkouts made of the fixed folders, as long as they are up.
folders_of_others() {
  local process run
  for process in $(pgrep -f 'tests/cluster/node first /' || true); do
    run="$(ps -ww -o args= -p "$process" | sed 's|.*tests/cluster/node first ||')"
    [[ "$run" == "$RUN" ]] || cat "$run/made-folders" 2>/dev/null || true
  done
}

# Where the cgroup hierarchies are mounted. Where version 1 is in use, the kubelet makes nothing in the one of version 2
# beside it; runc does.
cgroup_mounts() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts; }

# The kubelet asks for its cgroup to be there.
make_cgroups() {
  local mount
  while read -r mount; do mkdir -p "$mount/$CGROUP"; done < <(cgroup_mounts)
}

# A token for each who asks the API server, and its kubeconfig. Whoever may read the folder is the administrator.
write_credentials() {
  local name user groups token
  while read -r name user groups; do
    token="$(random_token)"
    printf '%s' "$token" >"$RUN/$name.token"
    printf '%s,%s,%s,"%s"\n' "$token" "$user" "$user" "$groups" >>"$RUN/tokens.csv"
    write_kubeconfig "$RUN/$name.kubeconfig" "$SERVER" "$RUN" "$name" "$token"
  done <<USERS
administrator administrator system:masters
kube-controller-manager system:kube-controller-manager
kube-scheduler system:kube-scheduler
kube-proxy system:kube-proxy system:node-proxier
kubelet system:node:$NODE system:nodes
USERS
  cp "$RUN/administrator.kubeconfig" "$KUBECONFIG_FILE"
}

start_node() {
  rm -rf "$LOGS"
  mkdir -p "$LOGS/pods"
  setsid "$ROOT/tests/cluster/node" hold "$RUN" </dev/null >"$LOGS/node.log" 2>&1 &
  local started=$! until=$((SECONDS + READY_SECONDS_MAX))
  # Or this shell would tell of its end, which is asked for.
  disown "$started"
  while [[ -z "$(first_process)" ]]; do
    kill -0 "$started" 2>/dev/null && ((SECONDS < until)) || give_up "the cluster's namespaces can't be made"
    sleep 0.1
  done
}

# One link between the machine and the cluster, and nothing else: no route, no rule, no forwarding on the machine.
join_network() {
  [[ -z "$(ip -4 -oneline address show to "$NETWORK/30")" ]] ||
    die "addresses of $NETWORK/30 are in use on this machine" "use a checkout in another folder: they follow from its path"
  ip link add "$LINK" type veth peer name uplink netns "$(first_process)"
  ip address add "$MACHINE_ADDRESS/30" dev "$LINK"
  ip link set "$LINK" up
}

# Waits for a condition, and says how long it took. usage: await WHAT COMMAND...
await() {
  local what="$1" began="$SECONDS"
  shift
  until "$@" >/dev/null 2>&1; do
    [[ ! -s "$RUN/ended" && -n "$(first_process)" ]] || give_up "a part of the cluster ended while $what was awaited"
    ((SECONDS < began + READY_SECONDS_MAX)) || give_up "$what was not ready after $READY_SECONDS_MAX s"
    sleep 0.2
  done
  printf '  %-32s %3d s\n' "$what" "$((SECONDS - began))"
}

# Shows the end of each log.
give_up() {
  printf '== %s\n' "$1" >&2
  tail -n 15 "$LOGS"/*.log >&2 || true
  die "$1" "read the logs above; all of them are in $LOGS"
}

node_is_ready() {
  local ready='{.status.conditions[?(@.type=="Ready")].status}'
  [[ "$(kubectl get node "$NODE" -o "jsonpath=$ready" 2>/dev/null)" == True ]]
}

# usage: load_image FILE.tar
load_image() {
  in_cluster env "PATH=$NODE_PATH" ctr --address /run/containerd/containerd.sock --namespace k8s.io images import - <"$1" >/dev/null
}

# usage: offer_gpus NODE NUMBER
offer_gpus() {
  kubectl label node "$1" nvidia.com/gpu.count="$2" >/dev/null
  kubectl patch node "$1" --type merge -p "{\"metadata\":{\"labels\":{$GPU_LABELS}}}" >/dev/null
  kubectl patch node "$1" --subresource status --type merge \
    -p "{\"status\":{\"capacity\":{\"nvidia.com/gpu\":\"$2\"},\"allocatable\":{\"nvidia.com/gpu\":\"$2\"}}}" >/dev/null
}

# Ends what is of ours on this machine, of this run or of one that was killed.
clear_what_is_left() {
  end_processes
  ip link delete "$LINK" 2>/dev/null || true
  remove_cgroups
  remove_folders
}

# The kernel ends every process of the namespace with its first one, and what holds the namespaces ends with it. All three
# that are ours on the machine are found by their command line too, which names this checkout: one that was just being
# started when its starter was killed has not written down its number.
end_processes() {
  local processes=() process until=$((SECONDS + GONE_SECONDS_MAX))
  mapfile -t processes < <(our_processes)
  [[ ${#processes[@]} -gt 0 ]] || return 0
  while [[ ${#processes[@]} -gt 0 ]]; do
    ((SECONDS < until)) || die "process ${processes[0]} of the cluster does not end" "ps -o args,wchan -p ${processes[0]}"
    for process in "${processes[@]}"; do kill -KILL "$process" 2>/dev/null || true; done
    sleep 0.1
    mapfile -t processes < <(our_processes)
  done
}

our_processes() {
  pgrep -f "tests/cluster/node (hold|first) $RUN" || true
}

# Only the kernel's last work on ended processes can delay this.
remove_cgroups() {
  local mount until=$((SECONDS + GONE_SECONDS_MAX))
  while read -r mount; do
    while [[ -d "$mount/$CGROUP" ]]; do
      find "$mount/$CGROUP" -depth -type d -exec rmdir {} \; 2>/dev/null || true
      [[ -d "$mount/$CGROUP" ]] || break
      ((SECONDS < until)) || die "the cgroup $mount/$CGROUP can't be removed" "end the processes in it: find it -name cgroup.procs"
      sleep 0.1
    done
  done < <(cgroup_mounts)
}

# The folders on the machine are empty: what was written lies in the run's own. One that another cluster's namespace has a
# mount on stays: removing it would take the mount away there.
remove_folders() {
  local folder others machine
  if [[ -f "$RUN/made-folders" ]]; then
    exec {machine}</run
    flock "$machine"
    others="$(folders_of_others)"
    while read -r folder; do
      grep -qxF "$folder" <<<"$others" || rmdir "$folder" 2>/dev/null || true
    done < <(sort -r "$RUN/made-folders")
    exec {machine}>&-
  fi
  rm -rf "$RUN"
}

# Nodes that exist as objects only; kwok plays their kubelet. usage: add_kwok_nodes GPUS NUMBER
add_kwok_nodes() {
  local number name
  for ((number = 1; number <= $2; number++)); do
    name="kwok-$number"
    printf '{"apiVersion":"v1","kind":"Node","metadata":{"name":"%s","labels":{"type":"kwok","kubernetes.io/hostname":"%s",%s},' \
      "$name" "$name" "$GPU_LABELS"
    printf '"annotations":{"kwok.x-k8s.io/node":"fake"}},"spec":{"taints":[{"key":"kwok.x-k8s.io/node","value":"fake",'
    printf '"effect":"NoSchedule"}]},"status":{"allocatable":{"cpu":"32","memory":"256Gi","pods":"110","nvidia.com/gpu":"%s"},' "$1"
    printf '"capacity":{"cpu":"32","memory":"256Gi","pods":"110","nvidia.com/gpu":"%s"}}}\n' "$1"
  done | kubectl create -f - >/dev/null
  await "$2 nodes of kwok" kwok_nodes_are_ready "$2"
}

kwok_nodes_are_ready() {
  local each='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'
  [[ "$(kubectl get nodes --selector type=kwok -o "jsonpath=$each" | grep -cx True)" == "$1" ]]
}
