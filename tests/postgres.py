"""A Postgres of the tests' own, where the machine has its programs: a socket in a temporary folder, no port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a fresh database; the test is skipped where Postgres is not installed."""
    initdb, server = shutil.which("initdb"), shutil.which("postgres")
    if not (initdb and server):
        pytest.skip("Postgres (initdb, postgres) is not on PATH")
    # Postgres refuses to run as root: there, its own user runs it.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="tremplin-pg-"))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [initdb, "-D", str(data), "-U", "tremplin", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(
                [server, "-D", str(data), *options], stdout=log, stderr=log, user=user, cwd=folder
            )
        try:
            while (
                running.poll() is None and b"ready to accept connections" not in (folder / "log").read_bytes()
            ):
                try:
                    running.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
            assert running.returncode is None, (folder / "log").read_text()
            yield f"postgresql+psycopg://tremplin@/postgres?host={folder}"
        finally:
            running.terminate()
            running.wait()
    finally:
        shutil.rmtree(folder)
