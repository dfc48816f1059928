#!/usr/bin/env bash
# Apply the local overlay under another name and with another image; make its Secret if there is none. Does not wait.
#   bash k8s/deploy.sh NAMESPACE IMAGE        IMAGE is name:tag or name@sha256:...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
namespace=${1:?usage: bash k8s/deploy.sh NAMESPACE IMAGE} image=${2:?usage: bash k8s/deploy.sh NAMESPACE IMAGE}
case $image in
  *@*) name=${image%@*} version="digest: ${image#*@}" ;;
  *:*) name=${image%:*} version="newTag: ${image##*:}" ;;
  *) echo "deploy: $image has neither a tag nor a digest" >&2; exit 2 ;;
esac

mkdir -p .tremplin
overlay=$(mktemp -d .tremplin/overlay.XXXXXX)
trap 'rm -rf "$overlay"' EXIT
cat >"$overlay/kustomization.yaml" <<Y
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: $namespace
resources: [../../k8s/overlays/local]
patches:
  - target: {kind: Service, name: serving}
    patch: |-  # any free port: the overlay's own may be taken
      - op: remove
        path: /spec/ports/0/nodePort
images:
  - {name: 127.0.0.1:5000/tremplin/serving, newName: $name, $version}
Y
kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
bash k8s/secret.sh "$namespace"
kubectl apply -k "$overlay"
