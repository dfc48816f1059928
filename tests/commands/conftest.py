"""The command line in this process, for speed; the console script itself where a process matters, or Prefect works."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.people import People
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import AS_OF, copy_of, tremplin
from tremplin.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], people: People) -> Cli:
    """``cli(root, *words)``: what ``tremplin WORDS`` does in ``root``, where the people of the charter have keys.

    Keywords are variables of the environment.
    """

    def call(root: Path, *words: str, **variables: str) -> Answer:
        for name in (
            "TREMPLIN_ROOT",
            "TREMPLIN_PILOT",
        ):  # the command sets them: they are put back after the test
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("TREMPLIN_ALLOWED_SIGNERS", str(people.signers))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(root)
        monkeypatch.setattr(sys, "argv", ["tremplin", *words])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def released(lamp_run: Town, people: People, tmp_path_factory: pytest.TempPathFactory) -> Town:
    """After the first go: version 1 of `lamps` is approved and live."""
    made = copy_of(lamp_run, tmp_path_factory.mktemp("released") / "checkout")
    key = str(people.key("Camille Laurent"))
    done = tremplin(
        made.root, "--pilot", "lamps", "approve", "1", "--key", key, "--as-of", AS_OF,
        TREMPLIN_ALLOWED_SIGNERS=str(people.signers),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return made
