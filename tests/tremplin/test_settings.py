"""Settings: defaults under one home, the environment on top, a variable that does not fit named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tremplin.errors import TremplinError
from tremplin.settings import load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests."""
    import os

    for name in [name for name in os.environ if name.startswith("TREMPLIN_")]:
        monkeypatch.delenv(name)


def test_everything_lies_under_home(tmp_path: Path) -> None:
    found = load_settings(root=tmp_path)
    home = tmp_path / ".tremplin"
    assert found.home == home
    assert found.store_url.get_secret_value() == f"sqlite:///{home / 'store.db'}"
    assert found.mlflow_tracking_uri == f"sqlite:///{home / 'mlflow.db'}"
    assert (found.releases, found.signing_key) == (home / "releases", home / "keys" / "release.key")
    assert found.release_public_key == home / "keys" / "release.pub"
    assert (found.environment, found.pilot, found.port) == ("development", "flights", 8000)


def test_the_root_is_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().root == tmp_path.resolve()


def test_the_environment_counts_and_what_is_given_counts_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "HOME": "state",
        "PILOT": "other",
        "PORT": "9000",
        "RELEASES": "/srv/releases",
    }.items():
        monkeypatch.setenv(f"TREMPLIN_{name}", value)
    monkeypatch.setenv("TREMPLIN_STORE_URL", "postgresql+psycopg://u:p@db/t")
    monkeypatch.setenv("TREMPLIN_OF_ANOTHER_VERSION", "ignored")
    found = load_settings(root=tmp_path, port=9001)
    assert (found.home, found.pilot, found.port) == (tmp_path / "state", "other", 9001)
    assert found.releases == Path("/srv/releases")
    assert found.store_url.get_secret_value() == "postgresql+psycopg://u:p@db/t"


def test_the_password_is_not_shown(tmp_path: Path) -> None:
    assert "s3cret" not in repr(load_settings(root=tmp_path, store_url="postgresql+psycopg://u:s3cret@db/t"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("ENVIRONMENT", "staging"),
        ("LIVE_POLL_SECONDS", "0"),
        ("DIRTY", "perhaps"),
    ],
)
def test_a_variable_that_does_not_fit_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TREMPLIN_{name}", value)
    with pytest.raises(
        TremplinError, match=rf"TREMPLIN_{name}: .*got '{value}'\. Mend the environment variable"
    ):
        load_settings()
