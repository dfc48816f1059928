#!/usr/bin/env bash
# Ship the demo's released model to the cluster that KUBECONFIG names and get the same predictions from it.
#   make demo-cluster
#   make demo-cluster REGISTRY=registry.example:5000 NAMESPACE=tremplin-demo DAY=2013-07-04
# NAMESPACE is made anew each time; an existing one that this script did not make is refused. It is left running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
image=${IMAGE:?make demo-cluster sets it}
namespace=${NAMESPACE:-tremplin-demo}
export TREMPLIN_PILOT=${PILOT:-flights}
home=${TREMPLIN_HOME:-.tremplin/demo/.tremplin}
die() { echo "demo-cluster: $*" >&2; exit 1; }
say() { printf 'demo-cluster: %4d s  %s\n' $SECONDS "$*"; }

command -v kubectl >/dev/null || die "kubectl is not on PATH"
kubectl version >/dev/null 2>&1 || die "no cluster answers: set KUBECONFIG"

# By digest: what runs is what was made, and another image is another rollout.
digest=$(TREMPLIN_HOME=$home .venv/bin/tremplin image --base "${BASE_IMAGE:?make demo-cluster sets it}" --to "$image" --json |
  sed -n 's/^  "image": "\(.*\)",$/\1/p')
[ -n "$digest" ] || die "there is no image, see above"
say "ships $digest"

if owner=$(kubectl get namespace "$namespace" -o jsonpath='{.metadata.labels.tremplin/demo}' 2>/dev/null); then
  [ "$owner" = true ] || die "namespace $namespace is not this demo's: name another with NAMESPACE=name"
  kubectl delete namespace "$namespace" >/dev/null
fi
bash k8s/deploy.sh "$namespace" "$digest"
kubectl label namespace "$namespace" tremplin/demo=true >/dev/null
say "applied; waiting for both replicas"
if ! kubectl -n "$namespace" rollout status deployment/serving --timeout=180s; then
  kubectl -n "$namespace" get pods -o wide >&2
  kubectl -n "$namespace" logs -l app.kubernetes.io/name=serving --tail=5 --prefix >&2 || true
  die "the server did not become ready, see above"
fi
kubectl -n "$namespace" get pods -o wide
say "ready"

# Through the API server: works wherever kubectl does, with no load balancer and no node port that can be reached.
forward=$(mktemp)
kubectl -n "$namespace" port-forward service/serving :80 >"$forward" 2>&1 &
tunnel=$!
trap 'kill $tunnel 2>/dev/null || true; rm -f "$forward"' EXIT
port=''
for _ in $(seq 50); do
  port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$forward")
  [ -z "$port" ] || break
  sleep 0.2
done
[ -n "$port" ] || { cat "$forward" >&2; die "port-forward did not start, see above"; }
result=0
TREMPLIN_CLIENT_KEY=$(kubectl -n "$namespace" get secret tremplin-demo-key -o jsonpath='{.data.key}' | base64 -d)
export TREMPLIN_CLIENT_KEY
.venv/bin/python k8s/compare.py --url "http://127.0.0.1:$port" --home "$home" ${DAY:+--day "$DAY"} || result=$?
say "left running in $namespace; remove it with: kubectl delete namespace $namespace"
exit $result
