"""The server's image on a real engine: any user, nothing to write to but /state and /tmp, an end that loses nothing."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from k8s.compare import call, logged
from tests.cluster.conftest import HOME, REGISTRY, run, until
from tests.tremplin_cli import SCRIPT

pytestmark = pytest.mark.cluster

MEGABYTE = 10**6
# What the environment holds, and what its bill of materials says of it.
INSTALLED = """
import importlib.metadata, json, re
bill = json.load(open("/opt/tremplin/sbom.cdx.json"))
listed = {(c["name"], c.get("version")) for c in bill["components"]}
named = {(re.sub("[-_.]+", "-", d.name).lower(), d.version) for d in importlib.metadata.distributions()}
print(json.dumps({"listed": sorted(listed - {("libgomp.so.1", None)}), "installed": sorted(named)}))
"""
COUNT = """
import sqlalchemy as sa
from tremplin.settings import load_settings
from tremplin.store import open_store, predictions
with open_store(load_settings()).connect() as connection:
    print(connection.execute(sa.select(sa.func.count()).select_from(predictions)).scalar_one())
"""


@contextmanager
def container(image: str, *options: str) -> Iterator[tuple[str, str]]:
    """The server as strictly as an engine can hold it, as a user that nobody knows; its name, and its address."""
    name, user = f"tremplin-test-{secrets.token_hex(4)}", 20_000 + secrets.randbelow(10_000)
    strict = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp"]
    run(
        "docker",
        "run",
        "-d",
        "--name",
        name,
        "--user",
        f"{user}:0",
        *strict,
        *options,
        "-p",
        "127.0.0.1::8000",
        image,
    )
    try:
        port = run("docker", "port", name, "8000").split(":")[-1].strip()
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{url}/readyz"), 60, "a server that is ready")
        yield name, url
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def rows_of_the_demo(url: str) -> list[dict[str, Any]]:
    return [found["row"] for found in logged(HOME, call(f"{url}/release")["champion"], None)[1]]


def test_any_user_on_a_read_only_root_predicts_and_ends_well(image: str) -> None:
    volume = f"tremplin-test-{secrets.token_hex(4)}"
    try:
        with container(image, "-v", f"{volume}:/state") as (name, url):
            rows = rows_of_the_demo(url)[:50]
            assert call(f"{url}/release")["releases"][call(f"{url}/release")["champion"]]["path"] == "fast"
            answered: list[str] = []
            unanswered: list[str] = []

            def ask() -> None:
                for row in (row for _ in range(200) for row in rows):
                    try:
                        answered.append(call(f"{url}/predict", row)["prediction_id"])
                    except Exception as error:  # noqa: BLE001  (the server ended)
                        unanswered.append(str(error))
                        return

            callers = [threading.Thread(target=ask) for _ in range(4)]
            for caller in callers:
                caller.start()
            until(lambda: len(answered) > 200, 30, "answers")
            run("docker", "stop", "--time", "30", name)
            for caller in callers:
                caller.join(60)
            state = json.loads(run("docker", "inspect", "--format", "{{json .State}}", name))
            assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
            assert unanswered, "the server was stopped under load"
        stored = run(
            "docker", "run", "--rm", "-i", "-v", f"{volume}:/state", image, "python", "-", stdin=COUNT
        )
        assert int(stored) >= len(answered) == len(set(answered))
    finally:
        subprocess.run(["docker", "volume", "rm", volume], check=False, capture_output=True)


def test_a_pod_without_a_volume_needs_only_memory_to_write_to(image: str) -> None:
    with container(image, "--tmpfs", "/state", "--network", "bridge") as (name, url):
        row = rows_of_the_demo(url)[0]
        assert call(f"{url}/predict", row)["prediction_id"]
        with pytest.raises(pytest.fail.Exception, match="Read-only file system"):
            run("docker", "exec", name, "python", "-c", "open('/opt/tremplin/x', 'w')")


def test_the_bill_of_materials_lists_what_is_installed_and_nothing_else(image: str) -> None:
    said = json.loads(
        run("docker", "run", "--rm", "-i", "--network", "none", image, "python", "-", stdin=INSTALLED)
    )
    assert said["listed"] == said["installed"]
    assert {"mlflow", "prefect", "dvc", "pandas", "scikit-learn", "scipy", "evidently", "pip"}.isdisjoint(
        name for name, _ in said["installed"]
    )


def test_the_image_says_what_it_is_and_adds_little_to_its_base(image: str) -> None:
    (made,) = json.loads(run("docker", "image", "inspect", image))
    labels = made["Config"]["Labels"]
    assert labels["io.tremplin.pilot"] == "flights"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] in labels["io.tremplin.releases"]
    assert made["Config"]["User"] == "10001:10001"
    (below,) = json.loads(run("docker", "image", "inspect", "python:3.11-slim-bookworm"))
    assert made["Size"] - below["Size"] <= 200 * MEGABYTE


def test_the_wheelhouse_alone_gives_the_same_base_again(image: str) -> None:
    """No network, no build argument."""
    first = run("docker", "build", "-q", "--network", "none", ".").strip()
    assert run("docker", "build", "-q", "--network", "none", ".").strip() == first


def test_an_archive_is_imported_where_there_is_no_registry(image: str, tmp_path: Path) -> None:
    sockets = [Path(p) for p in ("/run/containerd/containerd.sock", "/run/docker/containerd/containerd.sock",
                                 "/var/run/docker/containerd/containerd.sock") if Path(p).is_socket()]  # fmt: skip
    if not shutil.which("ctr") or not sockets:
        pytest.skip("no containerd to import into (ctr)")
    archive = tmp_path / "serving.tar"
    base = f"{REGISTRY}/tremplin/serving-base:test"
    said = json.loads(
        run(str(SCRIPT), "image", "--base", base, "--output", str(archive), "--json", TREMPLIN_HOME=str(HOME))
    )
    ctr = ["ctr", "--address", str(sockets[0]), "--namespace", f"tremplin-{secrets.token_hex(4)}"]
    try:
        run(*ctr, "images", "import", str(archive))
        assert said["digest"] in run(*ctr, "images", "list")
        assert said["digest"] == image.rpartition("@")[2]
    finally:
        names = run(*ctr, "images", "list", "-q").split()
        run(*ctr, "images", "rm", "--sync", *names)
        time.sleep(0.1)
        run(*ctr[:-2], "namespaces", "rm", ctr[-1])
