"""The audit of what the server runs on, asked of a service of vulnerabilities on this machine (the API of OSV)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tests.results import ROOT

VULNERABLE = {
    "vulns": [
        {
            "id": "PYSEC-2026-1",
            "affected": [
                {
                    "package": {"name": "fastapi", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
                }
            ],
        }
    ]
}


def audit(url: str) -> subprocess.CompletedProcess[str]:
    variables = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}
    return subprocess.run(
        [sys.executable, "scripts/audit.py"],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        known: ClassVar[dict[str, Any]] = {}

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            content = json.dumps(self.known.get(asked["package"]["name"], {})).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_known_vulnerability_fails_the_check_and_none_does_not(service: ThreadingHTTPServer) -> None:
    url = f"http://127.0.0.1:{service.server_port}"
    done = audit(url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" 0 known vulnerabilities\n")
    service.RequestHandlerClass.known = {"fastapi": VULNERABLE}  # type: ignore[attr-defined]
    done = audit(url)
    assert done.returncode == 1
    assert "audit: fastapi " in done.stdout
    assert "PYSEC-2026-1; mended in 99.0" in done.stdout


def test_no_network_is_said_in_one_line_and_fails_nothing() -> None:
    done = audit("http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (0, "audit: skipped: no network\n")
