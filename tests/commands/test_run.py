"""``tremplin run``: once it works, twice it does nothing and says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.reproducing import is_reproduced
from tests.commands.conftest import Cli
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import AS_OF, copy_of, environment, tremplin
from tremplin import journal
from tremplin.settings import load_settings
from tremplin.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]

# The command as the console script calls it, and then the names of all that was imported.
LOADED = (
    "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from tremplin.cli import main; main()"
)


def test_the_first_run_leaves_one_verdict_and_its_evidence(lamp_run: Town) -> None:
    engine = open_store(load_settings(root=lamp_run.root))
    (entry,) = journal.entries(engine)
    assert (entry.kind, entry.pilot, entry.facts["version"], entry.facts["passed"]) == (
        "verdict",
        "lamps",
        1,
        True,
    )
    assert entry.as_of.isoformat() == AS_OF.replace("00:00+", "00:00:00+")
    reports = {path.name for path in lamp_run.paths.reports.glob("*.json")}
    assert {"2-understanding.json", "3-preparation.json", "4-modeling.json", "5-evaluation.json"} <= reports


@pytest.mark.parametrize("words", [("--as-of", AS_OF), ()], ids=["the same time", "no time"])
def test_again_nothing_is_done_and_it_says_so(lamp_run: Town, cli: Cli, words: tuple[str, ...]) -> None:
    before = {path: path.stat().st_mtime_ns for path in lamp_run.paths.model.iterdir()}
    answer = cli(lamp_run.root, "run", "--pilot", "lamps", *words)
    assert answer.code == 0, answer.err
    assert "nothing changed since" in answer.out
    assert "version 1 of lamps" in answer.out
    taken = "the snapshot is the one that was there, as of 2024-05-01 00:00+00:00; `--as-of "
    assert (taken in answer.out) == (not words), "a nightly run that says no time learns why nothing changes"
    assert {path: path.stat().st_mtime_ns for path in lamp_run.paths.model.iterdir()} == before
    assert len(journal.entries(open_store(load_settings(root=lamp_run.root)))) == 1


def test_again_neither_mlflow_nor_prefect_is_imported(lamp_run: Town) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "--pilot", "lamps", "run", "--as-of", AS_OF],
        cwd=lamp_run.root, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "dvc" in loaded, "DVC is asked whether anything changed"
    assert not loaded & {"mlflow", "prefect", "evidently", "lightgbm", "sklearn"}


def test_another_limit_of_the_gate_is_another_result(lamp_run: Town, tmp_path: Path) -> None:
    there = copy_of(lamp_run, tmp_path / "copy")
    assert is_reproduced(there.paths)
    file = there.root / "pilots" / "lamps" / "pilot.yaml"
    content = yaml.safe_load(file.read_text("utf-8"))
    content["gate"]["baseline_margin"] += 0.01
    file.write_text(yaml.safe_dump(content), "utf-8")
    assert not is_reproduced(there.paths)


def test_a_block_goes_when_its_cause_goes_also_where_the_lock_does_not_know_it(
    lamp_run: Town, tmp_path: Path
) -> None:
    """One result: blocked under another limit, and passed under the old one; it was one look all the time."""
    there = copy_of(lamp_run, tmp_path / "copy")
    engine = open_store(load_settings(root=there.root))
    file = there.root / "pilots" / "lamps" / "pilot.yaml"
    limits = yaml.safe_load(file.read_text("utf-8"))
    edited = {**limits, "data": {**limits["data"], "freshness_days": 1}}

    def run(content: object) -> tuple[list[str], int]:
        file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        done = tremplin(there.root, "--pilot", "lamps", "run", "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout[done.stdout.index("{\n") :])
        assert said["version"] == 1
        return said["blocked_by"], len(journal.entries(engine, kind="verdict"))

    assert run(edited) == (["freshness"], 2)
    assert run(limits) == ([], 3)
    checks = [e.facts["verdict"]["checks"] for e in journal.entries(engine, kind="verdict")]
    assert not any("model number" in check["evidence"] for found in checks for check in found)


def test_a_script_reads_the_verdict(lamp_run: Town, cli: Cli) -> None:
    answer = json.loads(cli(lamp_run.root, "--pilot", "lamps", "run", "--json").out)
    assert (answer["version"], answer["passed"]) == (1, True)
    assert {check["id"] for check in answer["verdict"]["checks"]} >= {
        "contract",
        "baseline",
        "champion",
        "parity",
    }


def test_a_source_that_was_cut_short_is_refused_and_the_snapshot_stays(
    lamp_run: Town, cli: Cli, tmp_path: Path
) -> None:
    cut = copy_of(lamp_run, tmp_path / "cut")
    whole, snapshot = cut.csv.read_bytes(), cut.paths.snapshot.read_bytes()
    cut.csv.write_bytes(whole[: len(whole) // 3])
    done = tremplin(cut.root, "--pilot", "lamps", "run", "--as-of", "2024-04-30T00:00+00:00")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The source of lamps has no row in 2024-03, 2024-04")
    assert "Traceback" not in done.stderr
    assert cut.paths.snapshot.read_bytes() == snapshot
    assert cli(cut.root, "--pilot", "lamps", "run").code == 0, "what was there is still a result"
