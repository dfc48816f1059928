"""What the gate says of every bad and every honest model of ``tests/gates``, on all rows of each pilot's first training.

Writes ``docs/gate-table.md``: the same list that the tests run on small samples, here with the pilots' own ``pilot.yaml`` and
every row that the demo's first training has. Everything in it but the minutes is the same each time.

    python -m benchmarks.gate_table                  # both pilots
    python -m benchmarks.gate_table --pilot support  # one; the section of the other stays
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.machine import machine
from pipelines.stages import progress
from pipelines.verdict import Check, Verdict
from tests.gates.judging import verdict_on
from tests.gates.variants import PILOTS, VARIANTS, Variant
from tests.results import ROOT, Result, Sample, line, make_result
from tremplin.pilot import load_pilot

PAGE = ROOT / "docs" / "gate-table.md"
INTRODUCTION = """# Who passes the gate: every bad model and every honest one

Made by `python -m benchmarks.gate_table` from the list in `tests/gates/variants.py`. Each model is made from the honest
result of a pilot, on all rows of the demo's first training and under the pilot's own `pilot.yaml`, and judged by the whole
gate ([what each check asks](gate.md)). `make test-gates` runs the same list on smaller samples, and fails if a bad model is
not blocked by **its own** check, or an honest one is blocked.

*Blocked by* names the model's own check first, then what else fired: a broken model is seldom broken in one way only.
*Measured* is the own check's value, with its interval where there is one, and the limit; of an honest model it is the Brier
skill over the baseline, whose interval must lie above the limit.

`reproducibility` alone is taken as passed: it makes a model again from its lock, which `tests/pipelines/test_remaking.py` shows.
"""
HEAD = "| model | how it was made | verdict | blocked by | measured; limit |\n|---|---|---|---|---|\n"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pilot", choices=PILOTS, action="append", help="only this one")
    chosen = parser.parse_args().pilot or PILOTS
    for pilot in chosen:
        write(pilot, section(pilot))


def write(pilot: str, text: str) -> None:
    """The page with a new section on a pilot; other sections stay."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    parts = {part.split("`")[1]: part for part in re.split(r"(?m)^(?=## )", page)[1:]} | {pilot: text}
    sections = [parts[name].strip() for name in PILOTS if name in parts]
    PAGE.write_text("\n\n".join([INTRODUCTION.strip(), *sections]) + "\n", "utf-8")


def section(pilot: str) -> str:
    """Everything about one pilot."""
    begun = time.perf_counter()
    file = load_pilot(pilot, ROOT).file
    day = file.demo.first_training
    midnight = pd.Timestamp(day, tz=file.data.timezone).to_pydatetime()
    with tempfile.TemporaryDirectory() as folder:
        honest = make_result(Path(folder) / "honest", Sample(pilot, midnight))
        rows = "".join(
            row(variant, judged(variant, honest)) for variant in VARIANTS if pilot in variant.pilots
        )
        said = (
            f"{len(honest.part('train')):,} training and {len(honest.part('evaluation')):,} evaluation rows"
        )
        winner = honest.winner
    minutes = (time.perf_counter() - begun) / 60
    here = machine()
    return (
        f"## `{pilot}`\n\nAs of {day}: {said}; the stages chose `{winner}`. {minutes:.0f} minutes on {here['cores']} cores of an "
        f"{here['cpu']}, Python {here['python']}, with other work on the machine.\n\n{HEAD}{rows}"
    )


def judged(variant: Variant, honest: Result) -> Verdict:
    """What the gate says of one."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        verdict = verdict_on(variant, honest, Path(folder))
    progress(f"{honest.sample.pilot}: {time.perf_counter() - begun:.0f} s {row(variant, verdict).strip()}")
    return verdict


def row(variant: Variant, verdict: Verdict) -> str:
    """One line of the table."""
    own = variant.own or "baseline"
    fired = sorted(verdict.blocked_by, key=lambda name: name != own)
    names = ", ".join(f"**`{name}`**" if name == variant.own else f"`{name}`" for name in fired)
    said = "BLOCKED" if fired else "passes"
    return f"| {variant.name} | {variant.made} | {said} | {names or '-'} | {measured(line(verdict, own))} |\n"


def measured(check: Check) -> str:
    """Value, interval and limit."""
    value, limit = ("-" if number is None else f"{number:.3g}" for number in (check.value, check.limit))
    ends = ", ".join("?" if end is None else f"{end:.3g}" for end in check.interval or ())
    return f"{value} [{ends}]; {limit}" if ends else f"{value}; {limit}"


if __name__ == "__main__":
    main()
