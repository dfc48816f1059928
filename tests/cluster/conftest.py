"""One deployment of the model server in a namespace of its own, on the cluster that KUBECONFIG names.

Needs Docker, kubectl and a registry that the cluster pulls from (REGISTRY, 127.0.0.1:5000 unless set), and the release
that `make demo` leaves. Whatever is missing skips the tests and is named.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("TREMPLIN_HOME", ROOT / ".tremplin" / "demo" / ".tremplin"))
REGISTRY = os.environ.get("REGISTRY", "127.0.0.1:5000")

# Stands for a caller. Its own policy lets it go anywhere, so that what stops it is the policy of what it calls.
CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {role: client}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: client
      image: IMAGE
      command: [sleep, infinity]
      env: [{name: TREMPLIN_CLIENT_KEY, valueFrom: {secretKeyRef: {name: tremplin-demo-key, key: key}}}]
      resources: {requests: {cpu: 10m, memory: 32Mi}}
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client}
spec: {podSelector: {matchLabels: {role: client}}, policyTypes: [Egress], egress: [{}]}
"""


def run(*command: str, stdin: str | None = None, **environment: str) -> str:
    """What a command prints; a failure shows all of it."""
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Deployed:
    """The server in its namespace."""

    namespace: str
    image: str
    applied: str  # what `kubectl apply` said

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints about this namespace."""
        return run("kubectl", "-n", self.namespace, *arguments, stdin=stdin)

    def get(self, *arguments: str) -> dict[str, Any]:
        """An object, or a list of them."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def pods(self) -> list[dict[str, Any]]:
        """The server's pods that are not ending."""
        found = self.get("pods", "-l", "app.kubernetes.io/name=serving")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def python(self, pod: str, script: str, *arguments: str) -> str:
        """What a script prints inside a pod."""
        return self.kubectl("exec", "-i", pod, "--", "python", "-", *arguments, stdin=script)

    def ready(self) -> None:
        """Wait until every replica is."""
        self.kubectl("rollout", "status", "deployment/serving", "--timeout=180s")

    @contextmanager
    def reached(self) -> Iterator[str]:
        """The address of the server on this machine, through the API server."""
        command = ["kubectl", "-n", self.namespace, "port-forward", "service/serving", ":80"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tunnel:
            assert tunnel.stdout is not None
            try:
                line = tunnel.stdout.readline()
                port = re.search(r"127\.0\.0\.1:(\d+)", line)
                assert port, f"port-forward said: {line}"
                yield f"http://127.0.0.1:{port[1]}"
            finally:
                tunnel.terminate()


def push(image: str) -> str:
    """Push a local image; its name by digest."""
    target = f"{REGISTRY}/{image}"
    run("docker", "tag", image, target)
    run("docker", "push", "-q", target)
    digests = json.loads(run("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", target))
    return next(d for d in digests if d.startswith(target.rpartition(":")[0] + "@"))


@pytest.fixture(scope="session")
def cluster() -> None:
    """Skip, with the reason, where there is no cluster, no Docker or no release."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster: KUBECONFIG is not set")
    for program in ("kubectl", "docker"):
        if not shutil.which(program):
            pytest.skip(f"no {program} on PATH")
    answer = subprocess.run(
        ["kubectl", "version", "--request-timeout=10s"], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        pytest.skip(f"no cluster: {answer.stderr.strip()[-200:]}")
    if not list(HOME.glob("releases/*/release.json")):
        pytest.skip("no release to ship: run `make demo` first")


@pytest.fixture(scope="session")
def image(cluster: None) -> str:
    """The server's image with the demo's release, by digest."""
    base = f"{REGISTRY}/tremplin/serving-base:test"
    run("bash", "k8s/image-base.sh", BASE_IMAGE=base)
    command = [sys.executable, "-m", "tremplin.cli", "image", "--base", base, "--json"]
    said = run(*command, "--to", f"{REGISTRY}/tremplin/serving:test", TREMPLIN_HOME=str(HOME))
    made: str = json.loads(said)["image"]
    return made


@pytest.fixture(scope="session")
def deployed(image: str) -> Iterator[Deployed]:
    """The local overlay, applied and ready, with a client beside it."""
    namespace = f"tremplin-test-{secrets.token_hex(4)}"
    try:
        done = subprocess.run(
            ["bash", "k8s/deploy.sh", namespace, image], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        server = Deployed(namespace, image, done.stdout + done.stderr)
        server.kubectl("apply", "-f", "-", stdin=CLIENT.replace("IMAGE", image))
        server.ready()
        server.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
        with pytest.MonkeyPatch.context() as patch:
            key = server.get("secret", "tremplin-demo-key")["data"]["key"]
            patch.setenv("TREMPLIN_CLIENT_KEY", base64.b64decode(key).decode())
            yield server
    finally:
        subprocess.run(
            ["kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s"],
            capture_output=True,
            check=False,
        )


def until(true: Any, seconds: float, what: str) -> None:
    """Wait for ``true()``."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not after {seconds:.0f} s: {what}"
        time.sleep(0.5)
