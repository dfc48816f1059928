"""``tremplin new``: from a table to a pilot that runs; or a refusal, and nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.commands.conftest import Cli
from tests.pipelines.lamp_town import lamps
from tests.tremplin.scaffolded import World, jobs, world
from tests.tremplin_cli import lamp_checkout, tremplin
from tremplin.strict_yaml import read


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path / "checkout")


def test_what_was_made_is_said_and_check_lists_what_is_open(here: World, cli: Cli) -> None:
    table = jobs().assign(mail=[f"user{i}@example.org" for i in range(600)], answer=jobs()["late"])
    here.write(table)
    said = cli(here.root, "new", "orders", "--from", "table.csv", "--target", "late")
    assert (said.code, said.err) == (0, "")
    for words in (
        "key order: no two rows share a value",
        "time placed: the only time",
        "an answer is known 1d after its row's time (a guess",
        "suspected mail: it seems to be an e-mail address",
        "suspected answer: alone it tells late with an AUC of 1.00; if it is known when",
        "next: tremplin check --pilot orders",
        "then: tremplin run --pilot orders --as-of 2024-05-06",
    ):
        assert words in said.out
    checked = cli(here.root, "check", "--pilot", "orders")
    assert checked.code == 0, checked.err
    assert "ok pilot orders" in checked.out
    for words in ("an e-mail address", "alone it tells late", "taken as 1d", "Changeme Owner", "risk_class"):
        assert words in checked.out


def test_a_script_reads_what_was_made(here: World, cli: Cli) -> None:
    here.write(jobs())
    answer = json.loads(
        cli(here.root, "new", "orders", "--from", "table.csv", "--target", "late", "--json").out
    )
    assert answer["rows"] == 600
    assert answer["features"][:3] == ["kind", "weight", "colour"]
    assert answer["suspected"] == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[a, b]", "[a, b, orders]"),
        ("[]", "[orders]"),
        ("[a]  # why", "[a, orders]  # why"),
        ("\n    - a\n    - b  # why", "\n    - a\n    - b\n    - orders  # why"),
    ],
)
def test_only_the_list_of_pilots_changes_in_the_graph(here: World, cli: Cli, before: str, after: str) -> None:
    graph = "# first\nvars:\n  - other: 1\n  - pilots: {}\n\nstages: {{}}  # last\n"
    (here.root / "dvc.yaml").write_text(graph.format(before), "utf-8")
    here.write(jobs())
    assert cli(here.root, "new", "orders", "--from", "table.csv", "--target", "late").code == 0
    assert (here.root / "dvc.yaml").read_text("utf-8") == graph.format(after)
    assert read(here.root / "dvc.yaml")[0]["vars"][1]["pilots"][-1] == "orders"


def with_gaps(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(kind=table["kind"].where(table.index > 3))


def with_sex(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(sex=table["colour"])


def with_spellings(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(late=["Yes", "yes", " YES", "No", "no"] * 120)


def with_nothing_else(table: pd.DataFrame) -> pd.DataFrame:
    return table[["order", "late"]].assign(
        placed=["2024-01-01", "2024-01-02"] * 300, hour=1, weekday=1, month=1
    )


def seen_before(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(seen=table["placed"] - pd.Timedelta("1h"))


Spoil = Callable[[pd.DataFrame], pd.DataFrame]
REFUSED: dict[str, tuple[Spoil, list[str], str]] = {
    "no target": (lambda t: t, [], "Name the target: `--target COLUMN`. These columns have two values: colour"),
    "no such column": (lambda t: t, ["--target", "delay"], "has no column 'delay'. It has: order, placed"),
    "one value": (lambda t: t.assign(late="no"), ["--target", "late"], "one value, no: there is nothing to learn"),
    "three values": (lambda t: t, ["--target", "kind"], "has 3 values (sea"),
    "one answer in three ways": (
        with_spellings, ["--target", "late"], "in several ways, which differ only in capitals or in spaces"),
    "one answer in two ways": (
        lambda t: t.assign(late=["Yes", "yes"] * 300), ["--target", "late"], "'Yes' and 'yes'. To a reader"),
    "switches in two ways": (
        lambda t: t.assign(late=["True", "true", "False"] * 200), ["--target", "late"], "'True' and 'true'"),
    "above all": (lambda t: t, ["--target", "weight", "--above", "99"], "No value of weight is above 99"),
    "above of a text": (lambda t: t, ["--target", "kind", "--above", "1"], "--above is for a number"),
    "no time": (lambda t: t.drop(columns="placed"), ["--target", "late"], "no column of times"),
    "a year alone": (lambda t: t.drop(columns="placed").assign(year=2024), ["--target", "late"], "`--time year` spreads"),
    "no times": (lambda t: t, ["--target", "late", "--time", "kind"], "its values are no times"),
    "a key that repeats": (lambda t: t, ["--target", "late", "--key", "kind"], "597 repeat another's"),
    "a site with gaps": (with_gaps, ["--target", "late", "--site", "kind"], "missing in 4 rows"),
    "a length of time": (lambda t: t, ["--target", "late", "--label-after", "soon"], "no length of time"),
    "a label time before": (seen_before, ["--target", "late", "--label-time", "seen"], "before the row's own time"),
    "no rows": (lambda t: t.iloc[:0], ["--target", "late"], "holds no row"),
    "nothing to learn from": (with_nothing_else, ["--target", "late"], "No column is left"),
    "protected by what it is": (with_sex, ["--target", "late", "--site", "sex"], "held for fairness alone"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_a_refusal_says_what_to_do_and_writes_nothing(here: World, cli: Cli, why: str) -> None:
    spoil, words, said = REFUSED[why]
    here.write(spoil(jobs()))
    before = here.files()
    answer = cli(here.root, "new", "orders", "--from", "table.csv", *words)
    assert answer.code == 1
    assert said in answer.err
    assert here.files() == before


@pytest.mark.parametrize("name", ["Orders", "my orders", "../orders", "1st", "", "a" * 41, "orders/late"])
def test_a_name_that_is_no_folder_name_is_refused(here: World, cli: Cli, name: str) -> None:
    here.write(jobs())
    before = here.files()
    answer = cli(here.root, "new", name, "--from", "table.csv", "--target", "late")
    assert answer.code == 1
    assert "cannot be a pilot's name" in answer.err
    assert here.files() == before


def test_a_name_that_is_taken_is_refused(here: World, cli: Cli) -> None:
    here.write(jobs())
    words = ("new", "orders", "--from", "table.csv", "--target", "late")
    assert cli(here.root, *words).code == 0
    before = here.files()
    again = cli(here.root, *words)
    assert again.code == 1
    assert "names the pilot 'orders' already" in again.err or "is there already" in again.err
    assert here.files() == before
    shutil.rmtree(here.root / "pilots" / "orders")
    assert "names the pilot 'orders' already" in cli(here.root, *words).err


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\x00\x01\x02" * 50, "cannot be read"), (b"", "cannot be read"), (b"PAR1rubbish", "cannot be read"), (None, "is no file")],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused(here: World, cli: Cli, content: bytes | None, said: str) -> None:
    if content is not None:
        (here.root / "table.csv").write_bytes(content)
    before = here.files()
    answer = cli(here.root, "new", "orders", "--from", "table.csv", "--target", "late")
    assert answer.code == 1
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert here.files() == before


@pytest.mark.slow
def test_from_a_table_to_a_verdict(tmp_path: Path) -> None:
    """`new`, `check` and `run` as a person calls them, with every `changeme` still there."""
    there = lamp_checkout(tmp_path / "checkout")
    lamps().drop(columns="failed_known_at").to_csv(there.root / "checks.csv", index=False)
    steps = (
        ("new", "bulbs", "--from", "checks.csv", "--target", "failed", "--site", "quarter", "--label-after", "27h"),
        ("check", "--pilot", "bulbs"),
        ("--pilot", "bulbs", "run", "--as-of", "2024-05-03", "--json"),
    )  # fmt: skip
    for step in steps:
        done = tremplin(there.root, *step)
        assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout[done.stdout.index("{") :])["verdict"]
    found = {check["id"]: check["passed"] for check in verdict["checks"]}
    honest = ("contract", "freshness", "time-overlap", "feature-too-good", "result-too-good", "parity")
    assert [name for name in honest if not found[name]] == []
