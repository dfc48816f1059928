#!/usr/bin/env bash
# Make the Secret that the local overlay's Postgres and servers share, with a random password; what is there stays.
#   bash k8s/secret.sh NAMESPACE
set -euo pipefail
namespace=${1:?usage: bash k8s/secret.sh NAMESPACE}
if kubectl -n "$namespace" get secret tremplin-store >/dev/null 2>&1; then
  echo "secret: $namespace/tremplin-store is there"
  exit 0
fi
password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
# Through a pipe: an argument would show the password to whoever lists processes.
kubectl -n "$namespace" create -f - <<Y
apiVersion: v1
kind: Secret
metadata: {name: tremplin-store}
stringData:
  password: $password
  url: postgresql+psycopg://tremplin:$password@postgres:5432/tremplin
Y
