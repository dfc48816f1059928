"""Ask whether a version that the server runs on has a known vulnerability: pip-audit on locks/serving.txt.

Exit code 1 where one has. Where no service of vulnerabilities answers, one line says so and nothing fails: the checks work
with no network, and a build that has one asks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = "locks/serving.txt"
AWAY = ("ConnectionError", "ConnectionTimeout", "ReadTimeout", "Max retries exceeded", "Could not connect")
# --disable-pip: the lock names every version and hash, so nothing need be resolved or downloaded.
COMMAND = ["-m", "pip_audit", "-r", LOCK, "--require-hashes", "--disable-pip", "--timeout", "5", "-f", "json"]


def main() -> int:
    done = subprocess.run([sys.executable, *COMMAND], cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout:
        why = done.stderr.strip().rpartition("\n")[2]
        away = any(name in done.stderr for name in AWAY)
        print("audit: skipped: no network" if away else f"audit: failed: {why}")
        return 0 if away else 1
    found = json.loads(done.stdout)["dependencies"]
    asked = [one for one in found if "skip_reason" not in one]
    known = [(one, vulnerability) for one in asked for vulnerability in one["vulns"]]
    for one, vulnerability in known:
        mended = ", ".join(vulnerability["fix_versions"]) or "none yet"
        print(f"audit: {one['name']} {one['version']}: {vulnerability['id']}; mended in {mended}")
    if not asked:
        print(f"audit: skipped: no service of vulnerabilities knows any of the {len(found)} packages")
    else:
        print(f"audit: {len(asked)} of {len(found)} packages of {LOCK}: {len(known)} known vulnerabilities")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
