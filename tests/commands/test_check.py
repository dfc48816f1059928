"""``tremplin check``: every fault of a pilot's files at once, with file and line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.commands.conftest import Cli
from tests.delays import delays
from tests.tremplin_cli import CHECKOUT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The pilots; the default one is there to be spoilt."""
    shutil.copytree(CHECKOUT / "pilots", tmp_path / "pilots", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "dvc.yaml", tmp_path)
    return tmp_path


def replace(checkout: Path, name: str, old: str, new: str) -> int:
    """Change a pilot's file; the number of the changed line."""
    path = checkout / "pilots" / "flights" / name
    text = path.read_text("utf-8")
    assert text.count(old) >= 1, f"{old!r} is not in {name}"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_a_pilot_without_fault_is_ok(cli: Cli, checkout: Path) -> None:
    answer = cli(checkout, "check")
    assert (answer.code, answer.err) == (0, "")
    assert "ok pilot flights" in answer.out
    assert json.loads(cli(checkout, "check", "--json").out) == {
        "pilot": "flights",
        "faults": [],
        "undecided": [],
    }


def test_five_faults_in_two_files_are_named_at_once_with_their_lines(cli: Cli, checkout: Path) -> None:
    places = {
        f"pilot.yaml:{replace(checkout, 'pilot.yaml', 'freshness_days: 7', 'freshness_days: soon')}",
        f"pilot.yaml:{replace(checkout, 'pilot.yaml', 'evaluation_days: 30', 'evaluation_day: 30')}",
        f"pilot.yaml:{replace(checkout, 'pilot.yaml', 'confidence: 0.95', 'confidence: 95')}",
        f"pilot.yaml:{replace(checkout, 'pilot.yaml', 'decision_threshold: 0.33', 'decision_threshold: 1.33')}",
        f"contract.yaml:{replace(checkout, 'contract.yaml', 'logicalType: number', 'logicalType: numbr')}",
    }
    answer = cli(checkout, "check")
    assert answer.code == 1
    assert [place for place in sorted(places) if place not in answer.err] == []
    assert "Traceback" not in answer.err
    faults = json.loads(cli(checkout, "check", "--json").out)["faults"]
    assert len(faults) >= len(places)


def test_a_pilot_of_amounts_is_checked_as_well(cli: Cli, tmp_path: Path) -> None:
    made = delays(tmp_path)
    (made.root / "dvc.yaml").write_text("vars: [{pilots: [delays]}]\n", "utf-8")
    answer = cli(made.root, "check", "--pilot", "delays")
    assert (answer.code, answer.err) == (0, "")
    path = made.folder / "contract.yaml"
    text = path.read_text("utf-8")
    assert text.count("      maximum: 180\n") == 1
    path.write_text(text.replace("      maximum: 180\n", ""), "utf-8")
    answer = cli(made.root, "check", "--pilot", "delays")
    assert answer.code == 1
    assert "arrival_delay is an amount: give it a `minimum` and a `maximum`" in answer.err
    assert "Traceback" not in answer.err


def test_code_that_cannot_be_loaded_is_named(cli: Cli, checkout: Path) -> None:
    replace(checkout, "features.py", "def transformer", "def transform")
    replace(checkout, "model.py", "def baseline", "def base_line")
    answer = cli(checkout, "check")
    assert answer.code == 1
    assert "features.py" in answer.err
    assert "model.py" in answer.err


def test_code_and_files_that_are_wrong_are_named_at_once(cli: Cli, checkout: Path) -> None:
    places = [
        f"pilot.yaml:{replace(checkout, 'pilot.yaml', 'freshness_days: 7', 'freshness_days: soon')}",
        f"contract.yaml:{replace(checkout, 'contract.yaml', 'examples: [EWR]', 'examples: [CDG]')}",
        f"features.py:{replace(checkout, 'features.py', 'def transformer', 'def def transformer')}: SyntaxError",
        "model.py: it must define baseline()",
        "source.py: the file is missing",
    ]
    replace(checkout, "model.py", "def baseline", "def base_line")
    (checkout / "pilots" / "flights" / "source.py").unlink()
    answer = cli(checkout, "check")
    assert answer.code == 1
    assert [place for place in places if place not in answer.err] == []
    assert "5 faults to mend" in answer.err


def test_of_a_pilot_that_is_not_there_only_that_is_said(cli: Cli, checkout: Path) -> None:
    answer = cli(checkout, "--pilot", "flihgts", "check")
    assert answer.code == 1
    assert "1 fault to mend" in answer.err
    assert "there is no pilot 'flihgts' here; known: flights" in answer.err


def test_a_folder_that_the_graph_does_not_name_is_a_fault(cli: Cli, checkout: Path) -> None:
    shutil.copytree(checkout / "pilots" / "flights", checkout / "pilots" / "trains")
    answer = cli(checkout, "check")
    assert answer.code == 1
    assert "dvc.yaml" in answer.err
    assert "trains" in answer.err


def test_changeme_warns_in_development_and_stops_in_production(
    cli: Cli, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = replace(checkout, "pilot.yaml", "owner: Camille Laurent", "owner: Camille Laurent  # changeme")
    warned = cli(checkout, "check")
    assert warned.code == 0
    assert f"pilot.yaml:{line}: undecided" in warned.out
    monkeypatch.setenv("TREMPLIN_ENVIRONMENT", "production")
    for command in ("check", "run", "status"):
        answer = cli(checkout, command)
        assert answer.code == 1
        assert f"pilot.yaml:{line}: undecided" in answer.err


def test_a_broken_graph_is_a_fault_like_any_other(cli: Cli, checkout: Path) -> None:
    (checkout / "dvc.yaml").write_text("vars: [x.yaml]\nstages: {}\n")
    answer = cli(checkout, "check")
    assert answer.code == 1
    assert "`vars` must hold a list `pilots`" in answer.err
    (checkout / "dvc.yaml").write_text("vars: [\n")
    assert "dvc.yaml:2: not YAML" in cli(checkout, "check").err


@pytest.mark.parametrize("told", ["may: [approve, halt]", "[bold]loud[/bold]", "[/]", "a \\[b]"])
def test_square_brackets_are_printed_as_they_were_written(cli: Cli, checkout: Path, told: str) -> None:
    """What a person wrote is text, never markup of the console."""
    replace(checkout, "pilot.yaml", "charter:", f"# changeme: {told}\ncharter:")
    answer = cli(checkout, "check")
    assert answer.code == 0, answer.err
    assert f"undecided: # changeme: {told}\n" in answer.out


def test_a_source_that_cannot_be_cut_and_does_not_say_why_is_a_question(
    cli: Cli, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = checkout / "pilots" / "flights" / "source.py"
    cut = source.read_text("utf-8")
    source.write_text(
        cut + "\n_cut = fetch\n\ndef fetch(start, end):\n    return _cut(start, end)\n", "utf-8"
    )
    answer = cli(checkout, "check")
    assert answer.code == 0, answer.err
    assert "source.py: undecided: fetch() has no parameter `known_at`" in answer.out
    monkeypatch.setenv("TREMPLIN_ENVIRONMENT", "production")
    assert "fetch() has no parameter `known_at`" in cli(checkout, "check").err
    replace(
        checkout,
        "pilot.yaml",
        "data:\n",
        "data:\n  uncut_because: Every column is a timetable's, printed in January\n",
    )
    answer = cli(checkout, "check")
    assert answer.code == 0, answer.err


def test_whom_a_high_risk_pilot_stands_for_must_be_declared(
    cli: Cli, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other pilot declares it; without that, the gate would block every model."""
    assert "population" not in cli(checkout, "--pilot", "support", "check").out
    contract = checkout / "pilots" / "support" / "contract.yaml"
    said = yaml.safe_load(contract.read_text("utf-8"))
    for column in said["schema"][0]["properties"]:
        kept = [entry for entry in column.get("customProperties", []) if entry["property"] != "population"]
        column["customProperties"] = kept
    contract.write_text(yaml.safe_dump(said), "utf-8")
    answer = cli(checkout, "--pilot", "support", "check")
    assert answer.code == 0, answer.err
    assert (
        "contract.yaml: undecided: the use is high-risk, and no column declares its `population`"
        in answer.out
    )
    monkeypatch.setenv("TREMPLIN_ENVIRONMENT", "production")
    assert cli(checkout, "--pilot", "support", "check").code == 1
