#!/usr/bin/env bash
# The demo with no network at all: in a network namespace that holds nothing but its own loopback.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# As root; else as root of a user namespace, where the system lets people make one.
for how in -n -rn; do
  if unshare $how ip link set lo up 2>/dev/null; then
    exec unshare $how sh -c 'ip link set lo up && [ "$(ip -o link | wc -l)" = 1 ] && exec make demo'
  fi
done
echo 'test-offline: no network namespace can be made here. It needs root (or user namespaces), and the programs' \
  'unshare (util-linux) and ip (iproute2).' >&2
exit 1
