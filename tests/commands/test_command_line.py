"""Help with examples, options anywhere, and errors that a person can read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.main import get_command

from tests.commands.conftest import Cli
from tests.tremplin_cli import CHECKOUT, tremplin
from tremplin.cli import app

COMMANDS = [
    [name, *([inner] if inner else [])]
    for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
    for inner in getattr(command, "commands", {"": None})
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one folder under pilots/, to be spoilt."""
    shutil.copytree(CHECKOUT / "pilots" / "flights", tmp_path / "pilots" / "flights")
    shutil.copy(CHECKOUT / "dvc.yaml", tmp_path)
    return tmp_path


def test_the_commands_are_those_that_are_documented() -> None:
    words = {
        "check",
        "run",
        "approve",
        "serve",
        "replay",
        "monitor",
        "rollout",
        "trace",
        "journal",
        "status",
        "demo",
    }
    assert words <= {command[0] for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(cli: Cli, tmp_path: Path, command: list[str]) -> None:
    answer = cli(tmp_path, *command, "--help")
    assert answer.code == 0
    assert f"tremplin {' '.join(command)}" in answer.out.split("Example", 1)[1]


def test_without_a_command_the_help_is_shown(cli: Cli, tmp_path: Path) -> None:
    assert "rollout" in cli(tmp_path).out


@pytest.mark.parametrize(
    "words",
    [("--pilot", "nobody", "status"), ("status", "--pilot", "nobody"), ("status", "--pilot=nobody")],
    ids=" ".join,
)
def test_global_options_may_stand_before_or_behind_the_command(
    cli: Cli, checkout: Path, words: tuple[str, ...]
) -> None:
    answer = cli(checkout, *words)
    assert answer.code == 1
    assert "nobody" in answer.err
    assert "flights" in answer.err, "which pilots there are"


@pytest.mark.parametrize(
    "words", [("--workspace", "nowhere", "status"), ("status", "--workspace", "nowhere")], ids=" ".join
)
def test_an_unknown_workspace_is_named(cli: Cli, checkout: Path, words: tuple[str, ...]) -> None:
    answer = cli(checkout, *words)
    assert answer.code == 1
    assert "There is no workspace 'nowhere'" in answer.err


def test_a_workspace_is_found_by_its_name_and_by_its_path(cli: Cli, checkout: Path) -> None:
    shutil.copytree(checkout / "pilots", checkout / ".tremplin" / "other" / "pilots")
    for name in ("other", str(checkout / ".tremplin" / "other")):
        assert cli(checkout, "status", "--workspace", name).code == 0
        assert (checkout / ".tremplin" / "other" / ".tremplin" / "store.db").exists()


def test_an_error_is_a_paragraph_and_debug_shows_where(checkout: Path) -> None:
    short = tremplin(checkout, "--pilot", "nobody", "status")
    assert short.returncode == 1
    assert short.stderr.startswith("Error: ")
    assert "Traceback" not in short.stderr
    long = tremplin(checkout, "--pilot", "nobody", "status", "--debug")
    assert long.returncode != 0
    assert "Traceback" in long.stderr


def test_a_setting_that_does_not_fit_is_named(
    cli: Cli, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREMPLIN_PORT", "many")
    answer = cli(checkout, "status")
    assert answer.code == 1
    assert "TREMPLIN_PORT" in answer.err


def test_a_time_that_is_none_is_refused(cli: Cli, checkout: Path) -> None:
    answer = cli(checkout, "run", "--as-of", "yesterday")
    assert answer.code == 1
    assert "--as-of 'yesterday' is not a time. Write it as 2013-07-01" in answer.err
    answer = cli(checkout, "replay", "--from", "2013-13-01", "--to", "2013-08-01")
    assert answer.code == 1
    assert "--from '2013-13-01' is not a time." in answer.err
