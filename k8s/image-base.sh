#!/usr/bin/env bash
# Build the server's image without a model and push it; `tremplin image` then makes images of it, without Docker.
#   make image-base [BASE_IMAGE=127.0.0.1:5000/tremplin/serving-base:dev]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
die() { echo "image-base: $*" >&2; exit 1; }

image=${BASE_IMAGE:-127.0.0.1:5000/tremplin/serving-base:dev}
[ -n "$(ls wheels/tremplin-*.whl 2>/dev/null)" ] || die "there is no wheelhouse: run make wheels first"
docker version >/dev/null 2>&1 || die "docker does not answer: start it, or build the Dockerfile elsewhere"

echo "image-base: building $image"
# The classic builder, where there is no other, and BuildKit both take this.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! docker build --network none -t "$image" --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || true)" . >"$log" 2>&1; then
  tail -30 "$log" >&2
  die "the build failed, see above"
fi
docker push -q "$image" >/dev/null || die "the registry takes no image: name another with BASE_IMAGE=host:port/name:tag"
echo "image-base: $image, $(docker image inspect --format '{{.Size}}' "$image" | awk '{printf "%.0f MB", $1 / 1e6}')"
