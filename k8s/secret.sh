#!/usr/bin/env bash
# Make what the local overlay needs of secrets; what is there stays.
#   tremplin-store       the address of the store, with a random password, for Postgres and servers
#   tremplin-access      hashes of the API keys that count, for the servers
#   tremplin-demo-key    an API key that counts, for whoever tries the server; no server has it
#   bash k8s/secret.sh NAMESPACE
set -euo pipefail
namespace=${1:?usage: bash k8s/secret.sh NAMESPACE}
there() {
  kubectl -n "$namespace" get secret "$1" >/dev/null 2>&1 && echo "secret: $namespace/$1 is there"
}
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# Through a pipe: an argument would show the password to whoever lists processes.
if ! there tremplin-store; then
  password=$(random 24)
  kubectl -n "$namespace" create -f - <<Y
apiVersion: v1
kind: Secret
metadata: {name: tremplin-store}
stringData:
  password: $password
  url: postgresql+psycopg://tremplin:$password@postgres:5432/tremplin
Y
fi

# The same file that `tremplin key new` writes.
if ! there tremplin-access; then
  key=tremplin_demo_$(random 32)
  hash=$(printf %s "$key" | sha256sum | cut -d' ' -f1)
  kubectl -n "$namespace" create -f - <<Y
apiVersion: v1
kind: Secret
metadata: {name: tremplin-access}
stringData:
  api-keys.json: |
    {"keys": [{"id": "demo", "sha256": "$hash", "created": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
      "roles": ["predict", "explain", "outcome", "review", "operate", "audit"]}]}
---
apiVersion: v1
kind: Secret
metadata: {name: tremplin-demo-key}
stringData:
  key: $key
Y
fi
