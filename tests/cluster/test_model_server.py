"""The model server on a real cluster: what the manifests promise is tried, not read."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from k8s.compare import call, logged
from tests.cluster.conftest import HOME, ROOT, Deployed, push, run, until

pytestmark = pytest.mark.cluster

# Arguments: host, port. Says whether a connection is let through; a policy drops packets, so refusal is a timeout.
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("open")
except TimeoutError:
    print("dropped")
"""
# Arguments: seconds, row. One connection a request, as from many callers.
TRAFFIC = """
import collections, json, os, sys, time, urllib.request
headers = {"content-type": "application/json", "authorization": "Bearer " + os.environ["TREMPLIN_CLIENT_KEY"]}
end, said = time.monotonic() + float(sys.argv[1]), collections.Counter()
while time.monotonic() < end:
    try:
        request = urllib.request.Request("http://serving/predict", sys.argv[2].encode(), headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            said[f"{answer.status} {len(json.load(answer)['prediction_id']) > 0}"] += 1
    except Exception as error:
        said[repr(error)] += 1
    time.sleep(0.02)
print(json.dumps(said))
"""
# The status of one of the pod's own pages.
STATUS = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:8000" + sys.argv[1], timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
# How many predictions are in the store that the replicas share; -1 while it does not answer.
COUNT = """
import sqlalchemy as sa
from tremplin.errors import TremplinError
from tremplin.settings import load_settings
from tremplin.store import open_store, predictions
try:
    with open_store(load_settings()).connect() as connection:
        print(connection.execute(sa.select(sa.func.count()).select_from(predictions)).scalar_one())
except TremplinError:
    print(-1)
"""


def name(pod: dict[str, Any]) -> str:
    return pod["metadata"]["name"]


def is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def connect(server: Deployed, pod: str, host: str, port: int) -> str:
    return server.python(pod, CONNECT, host, str(port)).strip()


def a_row(server: Deployed) -> dict[str, Any]:
    with server.reached() as url:
        return logged(HOME, call(f"{url}/release")["champion"], None)[1][0]["row"]


def test_the_namespace_is_restricted_and_the_manifests_fit_it(deployed: Deployed) -> None:
    labels = deployed.get("namespace", deployed.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "Warning" not in deployed.applied  # the same level is asked to warn
    refused = subprocess.run(
        ["kubectl", "-n", deployed.namespace, "run", "root", "--dry-run=server", f"--image={deployed.image}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "violates PodSecurity" in refused.stderr


def test_both_replicas_are_ready_on_two_nodes(deployed: Deployed) -> None:
    pods = deployed.pods()
    assert [is_ready(pod) for pod in pods] == [True, True]
    nodes = [n for n in deployed.get("nodes")["items"] if not n["spec"].get("taints")]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == min(2, len(nodes))


def test_the_answers_equal_the_local_servers(deployed: Deployed) -> None:
    """The demo's busiest day, sent again; the answers are logged in the store that both replicas share."""
    pod = name(deployed.pods()[0])
    before = int(deployed.python(pod, COUNT))
    with deployed.reached() as url:
        said = run(sys.executable, "k8s/compare.py", "--url", url, "--home", str(HOME))
        rows = len(logged(HOME, call(f"{url}/release")["champion"], None)[1])
    assert "compare: EQUAL" in said
    assert rows > 0
    until(lambda: int(deployed.python(pod, COUNT)) - before == rows, 30, "every answer in the store")


def test_the_root_file_system_is_read_only_and_the_user_has_no_rights(deployed: Deployed) -> None:
    script = """
import os, pathlib
for place in ("/", "/releases", "/opt/tremplin", "/state", "/tmp"):
    try:
        pathlib.Path(place, "written").write_text("x"); print(place, "written")
    except OSError as error:
        print(place, error.strerror)
status = pathlib.Path("/proc/self/status").read_text()
print(os.getuid(), os.path.exists("/var/run/secrets/kubernetes.io"), "CapEff:\\t0000000000000000" in status)
"""
    assert deployed.python(name(deployed.pods()[0]), script).splitlines() == [
        "/ Read-only file system",
        "/releases Read-only file system",
        "/opt/tremplin Read-only file system",
        "/state written",
        "/tmp written",
        "10001 False True",
    ]


def test_the_image_holds_the_server_and_nothing_that_trains(deployed: Deployed) -> None:
    script = """
import importlib.util, os
unwanted = ("mlflow", "prefect", "dvc", "pandas", "sklearn", "scipy", "evidently", "pip")
print([n for n in unwanted if importlib.util.find_spec(n)])
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""
    assert deployed.python(name(deployed.pods()[0]), script).split("\n")[:2] == ["[]", "1"]


def test_the_network_lets_through_what_it_should_and_nothing_else(deployed: Deployed) -> None:
    server = name(deployed.pods()[0])
    address = deployed.get("pod", "client")["status"]["podIP"]
    api = deployed.python("client", "import os; print(os.environ['KUBERNETES_SERVICE_HOST'])").strip()
    assert connect(deployed, "client", "serving", 80) == "open"
    assert connect(deployed, server, "postgres", 5432) == "open"
    # The client may go anywhere: what stops it at the database is the database's own policy.
    assert connect(deployed, "client", api, 443) == "open"
    assert connect(deployed, "client", "postgres", 5432) == "dropped"
    # The server may ask the store and DNS only.
    assert connect(deployed, server, api, 443) == "dropped"
    assert connect(deployed, server, address, 8000) == "dropped"


def test_a_pod_that_is_evicted_costs_no_answer_and_the_budget_keeps_the_other(deployed: Deployed) -> None:
    row = a_row(deployed)
    first, second = (name(pod) for pod in deployed.pods())
    before = int(deployed.python(first, COUNT))

    def evict(pod: str) -> subprocess.CompletedProcess[str]:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": deployed.namespace},
        }
        path = f"/api/v1/namespaces/{deployed.namespace}/pods/{pod}/eviction"
        return subprocess.run(
            ["kubectl", "create", "--raw", path, "-f", "-"],
            input=json.dumps(body),
            capture_output=True,
            text=True,
            check=False,
        )

    command = [
        "kubectl",
        "-n",
        deployed.namespace,
        "exec",
        "-i",
        "client",
        "--",
        "python",
        "-",
        "15",
        json.dumps(row),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as traffic:
        assert traffic.stdin is not None
        traffic.stdin.write(TRAFFIC)
        traffic.stdin.close()
        traffic.stdin = None
        until(lambda: int(deployed.python(second, COUNT)) > before, 10, "the first answer")
        assert evict(first).returncode == 0
        refused = evict(second)
        assert "disruption budget" in refused.stderr
        said = json.loads(traffic.communicate(timeout=60)[0])
    assert list(said) == ["200 True"]
    assert said["200 True"] > 50
    deployed.ready()
    assert first not in [name(pod) for pod in deployed.pods()]
    # Not one answer was given that does not come into the store.
    until(
        lambda: int(deployed.python(second, COUNT)) - before == said["200 True"],
        20,
        "every answer in the store",
    )


def test_the_database_goes_and_comes_back(deployed: Deployed) -> None:
    row = json.dumps(a_row(deployed))
    before = int(deployed.python(name(deployed.pods()[0]), COUNT))
    pods = {name(pod): pod["status"]["containerStatuses"][0]["restartCount"] for pod in deployed.pods()}
    deployed.kubectl("scale", "statefulset/postgres", "--replicas=0")
    try:
        deployed.kubectl("wait", "--for=delete", "pod/postgres-0", "--timeout=60s")
        said = json.loads(deployed.python("client", TRAFFIC, "2", row))
        assert list(said) == ["200 True"]  # each is kept on the pod's disk meanwhile
        assert deployed.python(next(iter(pods)), STATUS, "/readyz").strip() == "200"
    finally:
        deployed.kubectl("scale", "statefulset/postgres", "--replicas=1")
        deployed.kubectl("rollout", "status", "statefulset/postgres", "--timeout=120s")
    answered = before + said["200 True"]
    until(
        lambda: int(deployed.python(next(iter(pods)), COUNT)) == answered, 60, "every answer in the database"
    )
    assert {
        name(pod): pod["status"]["containerStatuses"][0]["restartCount"] for pod in deployed.pods()
    } == pods


def test_an_altered_release_never_becomes_ready_and_the_old_pods_go_on(deployed: Deployed) -> None:
    altered = "tremplin/serving:altered"
    dockerfile = (
        f"FROM {deployed.image}\nUSER 0\n"
        "RUN for model in /releases/*/model.onnx; do printf x >>$model; done\nUSER 10001:10001\n"
    )
    run("docker", "build", "-q", "-t", altered, "-", stdin=dockerfile)
    before = {name(pod) for pod in deployed.pods()}
    deployed.kubectl("set", "image", "deployment/serving", f"serving={push(altered)}")
    try:
        until(lambda: {name(pod) for pod in deployed.pods()} - before, 20, "a pod of the altered image")
        (new,) = {name(pod) for pod in deployed.pods()} - before
        logs = ["kubectl", "-n", deployed.namespace, "logs", new]

        def refused() -> bool:
            done = subprocess.run(logs, capture_output=True, text=True, check=False)
            return "was altered" in done.stdout + done.stderr

        until(refused, 60, "the server's refusal in its log")
        assert deployed.python(new, STATUS, "/readyz").strip() == "503"
        ready = {name(pod): is_ready(pod) for pod in deployed.pods()}
        assert ready == {**dict.fromkeys(before, True), new: False}
        row = a_row(deployed)
        assert json.loads(deployed.python("client", TRAFFIC, "1", json.dumps(row))).keys() == {"200 True"}
    finally:
        deployed.kubectl("rollout", "undo", "deployment/serving")
        deployed.ready()
    assert {name(pod) for pod in deployed.pods()} == before


def test_the_base_alone_is_a_complete_set_of_manifests(cluster: None) -> None:
    kinds = run("kubectl", "kustomize", str(ROOT / "k8s" / "base"))
    for kind in ("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"):
        assert f"kind: {kind}\n" in kinds
    assert "kind: Secret" not in kinds
