#!/usr/bin/env bash
# Build the server's image with the releases that are live in a workspace, the demo's unless TREMPLIN_HOME names another.
#   make image IMAGE=tremplin/serving:dev
#   TREMPLIN_HOME=.tremplin make image
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
die() { echo "image: $*" >&2; exit 1; }

image=${IMAGE:-tremplin/serving:dev}
export TREMPLIN_PILOT=${PILOT:-flights}
home=${TREMPLIN_HOME:-.tremplin/demo/.tremplin}
[ -n "$(ls "$home"/releases/*/release.json 2>/dev/null)" ] || die "there is no release in $home/releases: run make demo first"
[ -n "$(ls wheels/tremplin-*.whl 2>/dev/null)" ] || die "there is no wheelhouse: run make wheels first"
docker version >/dev/null 2>&1 || die "docker does not answer: start it, or build the Dockerfile elsewhere"

# A context of its own: the releases lie outside the checkout's tree, and nothing else should reach the builder.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/locks"
cp Dockerfile .dockerignore "$context"
cp locks/serving.txt locks/serving-bare.txt "$context/locks"
cp -r wheels "$context"
.venv/bin/python k8s/releases.py "$home" "$context/releases"
chmod -R a+rX "$context/releases"

revision=$(git rev-parse HEAD 2>/dev/null || true)
echo "image: building $image"
# The classic builder, where there is no other, and BuildKit both take this.
log=$(mktemp)
if ! docker build --network host --target released -t "$image" \
  --build-arg REVISION="$revision" --build-arg PILOT="$TREMPLIN_PILOT" "$context" >"$log" 2>&1; then
  tail -30 "$log" >&2
  rm -f "$log"
  die "the build failed, see above"
fi
rm -f "$log"
echo "image: $image, $(docker image inspect --format '{{.Size}}' "$image" | awk '{printf "%.0f MB", $1 / 1e6}')"
