"""Who is let in, through a small application that uses the real door."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from serving.access.keys import add, revoke
from serving.access.opening import open_access
from serving.access.roles import Role
from tests.serving.access_app import ask, bearer, eventually
from tremplin.errors import TremplinError
from tremplin.settings import Settings, load_settings

NOW = datetime.now(UTC)


Setup = Callable[..., Settings]


@pytest.fixture
def production(tmp_path: Path) -> Setup:
    """Settings of production."""

    def make(**given: Any) -> Settings:
        return load_settings(root=tmp_path, environment="production", live_poll_seconds=0.05, **given)

    return make


def test_a_key_opens_what_its_roles_say_and_nothing_else(production: Setup) -> None:
    settings = production()
    key = add(settings.api_keys, "portal", (Role.PREDICT, Role.EXPLAIN), NOW)
    access = open_access(settings)
    for role in Role:
        answers = [ask(access, f"/{role}", **bearer(key))]
        answers += [ask(access, f"/{role}", x_api_key=sent) for sent in (key, f" {key}\t ")]
        assert {answer.status_code for answer in answers} == {
            200 if role in {Role.PREDICT, Role.EXPLAIN} else 403
        }
    assert answers[0].json()["role"] == Role.AUDIT
    assert 'error="insufficient_scope"' in answers[0].headers["www-authenticate"]
    assert ask(access, "/predict", **bearer(key)).json() == {
        "identity": "portal",
        "kind": "key",
        "roles": ["explain", "predict"],
    }


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({}, 401, None),
        ({"authorization": "Basic dXNlcjpwYXNz"}, 401, None),
        ({"authorization": "Bearer"}, 401, "invalid_token"),
        ({"authorization": "Bearer tremplin_portal_" + "0" * 64}, 401, "invalid_token"),
        ({"x_api_key": "tremplin_nobody_" + "0" * 64}, 401, "invalid_token"),
        ({"x_api_key": "tremplin_portal_"}, 401, "invalid_token"),
        ({"authorization": "Bearer a.b.c"}, 401, "invalid_token"),
        ({"authorization": "Bearer " + "a" * 20_000}, 401, "invalid_token"),
        ({"authorization": "Bearer a", "x_api_key": "b"}, 400, "invalid_request"),
    ],
)
def test_what_does_not_count_is_refused_as_rfc_6750_says(
    production: Setup, headers: dict[str, str], status: int, error: str | None
) -> None:
    settings = production()
    add(settings.api_keys, "portal", tuple(Role), NOW)
    answer = ask(open_access(settings), "/predict", **headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.headers["www-authenticate"]
    assert told.startswith('Bearer realm="tremplin"')
    assert (f'error="{error}"' in told) if error else ("error" not in told)


def test_production_does_not_start_open(production: Setup, tmp_path: Path) -> None:
    with pytest.raises(TremplinError, match=r"tremplin key new.*TREMPLIN_OIDC_ISSUER"):
        open_access(production())
    with pytest.raises(TremplinError, match="TREMPLIN_API_KEYS"):
        open_access(load_settings(root=tmp_path, api_keys=tmp_path / "misspelt.json"))
    settings = production()
    add(settings.api_keys, "portal", (Role.PREDICT,), NOW)
    assert not open_access(settings).open


def test_development_is_open_until_there_is_a_key(tmp_path: Path) -> None:
    settings = load_settings(root=tmp_path, live_poll_seconds=0.02)
    access = open_access(settings)
    access.start()
    try:
        answer = ask(access, "/operate", authorization="Basic anything")
        assert (answer.json()["identity"], answer.json()["kind"]) == ("anonymous", "anonymous")
        assert set(answer.json()["roles"]) == set(Role)
        key = add(settings.api_keys, "portal", (Role.PREDICT,), NOW)
        eventually(lambda: ask(access, "/predict").status_code == 401)
        assert ask(access, "/predict", **bearer(key)).status_code == 200
        settings.api_keys.unlink()  # does not open it again
        eventually(lambda: "gone" in access.problem)
        assert ask(access, "/predict").status_code == 401
    finally:
        access.stop()


def test_keys_are_rotated_and_revoked_while_it_runs(
    production: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = production()
    first = add(settings.api_keys, "portal", (Role.PREDICT,), NOW - timedelta(days=1))
    access = open_access(settings)
    access.start()
    try:
        second = add(settings.api_keys, "portal", (Role.PREDICT,), NOW)
        eventually(lambda: ask(access, "/predict", **bearer(second)).status_code == 200)
        assert ask(access, "/predict", **bearer(first)).status_code == 200
        assert len(revoke(settings.api_keys, "portal", keep_newest=True)) == 1
        eventually(lambda: ask(access, "/predict", **bearer(first)).status_code == 401)
        assert ask(access, "/predict", **bearer(second)).status_code == 200

        good = settings.api_keys.read_bytes()
        settings.api_keys.write_bytes(b'{"keys": [{"id": "portal", "secret": "s3cret"}]}')
        eventually(lambda: "keys.0.sha256" in access.problem)
        assert ask(access, "/predict", **bearer(second)).status_code == 200
        settings.api_keys.write_bytes(good)
        eventually(lambda: access.problem == "")

        revoke(settings.api_keys, "portal")
        eventually(lambda: ask(access, "/predict", **bearer(second)).status_code == 401)
    finally:
        access.stop()
    for secret in (first, second, first.rpartition("_")[2], "s3cret"):
        assert secret not in caplog.text


def test_a_key_ends_when_it_says(production: Setup) -> None:
    settings = production()
    gone = add(settings.api_keys, "portal", (Role.PREDICT,), NOW, NOW - timedelta(seconds=1))
    lasting = add(settings.api_keys, "portal", (Role.PREDICT,), NOW, NOW + timedelta(days=1))
    access = open_access(settings)
    assert "expired" in ask(access, "/predict", **bearer(gone)).json()["detail"]
    assert ask(access, "/predict", **bearer(lasting)).status_code == 200


def test_the_file_holds_hashes_and_only_its_owner_reads_it(production: Setup) -> None:
    settings = production()
    key = add(settings.api_keys, "portal", (Role.PREDICT,), NOW)
    kept = json.loads(settings.api_keys.read_text())
    assert kept["keys"][0]["sha256"] == hashlib.sha256(key.encode()).hexdigest()
    assert key not in settings.api_keys.read_text()
    assert settings.api_keys.stat().st_mode & 0o777 == 0o600
    assert len(key.rpartition("_")[2]) * 4 == 256


def test_changeme_stops_the_start_outside_development(
    production: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = "postgresql://tremplin:ChangeMe-s3cret@db/tremplin"
    add(production().api_keys, "portal", (Role.PREDICT,), NOW)
    with pytest.raises(TremplinError, match="TREMPLIN_STORE_URL") as refused:
        open_access(production(store_url=url))
    assert "s3cret" not in str(refused.value)
    add(production().api_keys, "changeme", (Role.PREDICT,), NOW)
    with pytest.raises(TremplinError, match="the key changeme"):
        open_access(production())
    open_access(load_settings(root=tmp_path, store_url=url))
    assert "TREMPLIN_STORE_URL" in caplog.text
    assert "s3cret" not in caplog.text


def test_rows_count_and_what_is_refused_does_not(production: Setup) -> None:
    settings = production(rate_limit="100/minute")
    portal, other = (add(settings.api_keys, name, (Role.PREDICT,), NOW) for name in ("portal", "other"))
    access = open_access(settings)
    assert ask(access, "/rows/90", **bearer(portal)).status_code == 200
    refused = ask(access, "/rows/20", **bearer(portal))
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 120
    assert refused.headers["ratelimit-policy"] == '"default";q=100;w=60'
    assert refused.headers["ratelimit"].startswith('"default";r=9;t=')
    assert ask(access, "/rows/9", **bearer(portal)).status_code == 200
    assert ask(access, "/predict", **bearer(portal)).status_code == 429
    assert ask(access, "/rows/90", **bearer(other)).status_code == 200  # each identity has its own
    never = ask(access, "/rows/5000", **bearer(other))
    assert never.status_code == 429
    assert "retry-after" not in never.headers


def test_production_has_a_limit_unless_told_otherwise(production: Setup) -> None:
    add(production().api_keys, "portal", (Role.PREDICT,), NOW)
    for given, refused in (("", True), ("none", False)):
        settings = production(rate_limit=given)
        key = add(settings.api_keys, "portal", (Role.PREDICT,), NOW)
        answer = ask(open_access(settings), "/rows/60001", **bearer(key))
        assert (answer.status_code == 429) is refused
    with pytest.raises(TremplinError, match="TREMPLIN_RATE_LIMIT"):
        open_access(production(rate_limit="many"))


def test_an_address_that_fails_too_often_is_told_to_wait_and_good_keys_behind_it_are_not(
    production: Setup,
) -> None:
    settings = production()
    key = add(settings.api_keys, "portal", (Role.PREDICT,), NOW)
    access = open_access(settings)
    wrong = "tremplin_portal_" + "0" * 64
    seen = [ask(access, "/predict", client=f"2001:db8::{n:x}", **bearer(wrong)) for n in range(61)]
    assert [answer.status_code for answer in seen] == [401] * 60 + [429]  # one /64 is one address
    assert ask(access, "/predict", client="2001:db8::1", **bearer(key)).status_code == 200
    assert ask(access, "/predict", client="2001:db8:1::1", **bearer(wrong)).status_code == 401


def test_it_counts_by_kind_and_reason_and_never_by_identity(production: Setup) -> None:
    settings, registry = production(), CollectorRegistry()
    key = add(settings.api_keys, "portal", (Role.PREDICT,), NOW)
    access = open_access(settings, registry)
    ask(access, "/predict", **bearer(key))
    ask(access, "/audit", **bearer(key))
    ask(access, "/predict")
    ask(access, "/predict", **bearer(key + "0"))
    seen = {
        (sample.labels["kind"], sample.labels["result"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "tremplin_access_total"
    }
    assert seen == {
        ("key", "admitted"): 1,
        ("key", "missing_role"): 1,
        ("anonymous", "no_credential"): 1,
        ("key", "unknown_key"): 1,
    }
