"""The door in the server itself: a process as production starts it."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.access.keys import add, revoke
from serving.access.roles import Role
from tests.results import ROOT
from tests.serving.access_app import bearer, eventually
from tests.serving.test_access_headers import certificate
from tremplin.release import Release
from tremplin.settings import Settings

NOW = datetime.now(UTC)


@pytest.fixture
def portal(settings: Settings) -> str:
    """A key that may predict."""
    return add(settings.api_keys, "portal", (Role.PREDICT,), NOW)


def test_production_answers_who_is_known(
    champion: Release, settings: Settings, serve: Any, rows: list[dict[str, Any]], portal: str
) -> None:
    server = serve(TREMPLIN_ENVIRONMENT="production", TREMPLIN_RATE_LIMIT="100/minute")
    url = f"{server.url}/predict"
    assert httpx.post(url, json=rows[0]).status_code == 401
    answer = httpx.post(url, json=rows[0], headers=bearer(portal))
    assert answer.json()["release"] == champion.id
    auditor = add(settings.api_keys, "auditor", (Role.AUDIT,), NOW)
    eventually(lambda: httpx.post(url, json=rows[0], headers=bearer(auditor)).status_code == 403)
    many = [httpx.post(url, json={"rows": rows[:60]}, headers=bearer(portal)) for _ in range(2)]
    assert [one.status_code for one in many] == [200, 429]
    revoke(settings.api_keys, "portal")
    eventually(lambda: httpx.post(url, json=rows[0], headers=bearer(portal)).status_code == 401)
    assert httpx.get(f"{server.url}/livez").status_code == 200  # whoever restarts it has no key


def test_https_by_setting(
    champion: Release, serve: Any, rows: list[dict[str, Any]], portal: str, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path / "tls")
    server = serve(
        TREMPLIN_ENVIRONMENT="production", TREMPLIN_TLS_CERTIFICATE=str(cert), TREMPLIN_TLS_KEY=str(key)
    )
    assert server.url.startswith("https://")
    trusting = ssl.create_default_context(cafile=cert)
    answer = httpx.post(f"{server.url}/predict", json=rows[0], headers=bearer(portal), verify=trusting)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("variables", "believed"), [({}, False), ({"FORWARDED_ALLOW_IPS": "127.0.0.1"}, True)]
)
def test_an_address_that_is_only_claimed_counts_where_a_proxy_is_named(
    settings: Settings, serve: Any, portal: str, variables: dict[str, str], believed: bool
) -> None:
    server = serve(TREMPLIN_ENVIRONMENT="production", **variables)
    with httpx.Client(base_url=server.url, headers=bearer("tremplin_portal_" + "0" * 64)) as one:
        claimed = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(61)]
        seen = [one.get("/release", headers=headers).status_code for headers in claimed]
    assert seen == [401] * 60 + [401 if believed else 429]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "tremplin key new"),
        ({"TREMPLIN_OIDC_ISSUER": "https://changeme.example", "TREMPLIN_OIDC_AUDIENCE": "x"}, "changeme"),
        ({"TREMPLIN_OIDC_ISSUER": "https://issuer.example"}, "TREMPLIN_OIDC_AUDIENCE"),
        ({"TREMPLIN_TLS_KEY": "tls.key"}, "go together"),
    ],
)
def test_what_is_undecided_stops_the_start_in_one_paragraph(
    settings: Settings, variables: dict[str, str], said: str
) -> None:
    given = {"TREMPLIN_ENVIRONMENT": "production", "TREMPLIN_HOME": str(settings.home), "TREMPLIN_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "serving"],
        cwd=ROOT,
        env=os.environ | given | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
