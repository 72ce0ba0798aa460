# shellcheck shell=bash
# Read after common.sh: how etcd and kube-apiserver are called, for a control plane alone and for a whole cluster.

SERVICE_ISSUER=https://kubernetes.default.svc
SERVICE_RANGE=198.19.0.0/24
readonly SERVICE_ISSUER SERVICE_RANGE

# Fills ETCD_ARGUMENTS. usage: etcd_arguments DATA CLIENT_PORT PEER_PORT
# What it holds lives as long as the tests: it need not survive a power cut.
etcd_arguments() {
  ETCD_ARGUMENTS=(--data-dir "$1" --unsafe-no-fsync --log-level warn
    --listen-client-urls "http://127.0.0.1:$2" --advertise-client-urls "http://127.0.0.1:$2"
    --listen-peer-urls "http://127.0.0.1:$3" --initial-advertise-peer-urls "http://127.0.0.1:$3"
    --initial-cluster "default=http://127.0.0.1:$3")
}

# Fills API_SERVER_ARGUMENTS. usage: api_server_arguments FOLDER ETCD_PORT PORT
# The folder holds tokens.csv. The server makes its certificate there itself, and its key serves as the key of service
# accounts too.
api_server_arguments() {
  API_SERVER_ARGUMENTS=(--etcd-servers "http://127.0.0.1:$2" --secure-port "$3"
    --cert-dir "$1/certificates" --token-auth-file "$1/tokens.csv"
    --service-cluster-ip-range "$SERVICE_RANGE" --service-account-issuer "$SERVICE_ISSUER"
    --service-account-key-file "$1/certificates/apiserver.key"
    --service-account-signing-key-file "$1/certificates/apiserver.key")
}

# usage: write_kubeconfig FILE SERVER FOLDER USER TOKEN
write_kubeconfig() {
  cat >"$1" <<KUBECONFIG
apiVersion: v1
kind: Config
current-context: test
contexts:
  - name: test
    context: {cluster: test, user: $4}
clusters:
  - name: test
    cluster: {server: "$2", certificate-authority: "$3/certificates/apiserver.crt"}
users:
  - name: $4
    user: {token: "$5"}
KUBECONFIG
}

# Whether an API server says that it is ready. usage: answers_ready FOLDER SERVER TOKEN
answers_ready() {
  curl -sf --max-time 5 --cacert "$1/certificates/apiserver.crt" -H "Authorization: Bearer $3" "$2/readyz" >/dev/null 2>&1
}
