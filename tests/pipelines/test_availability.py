"""Columns made of something later are found by name when the source is cut at the decision; an honest source is let through."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from pipelines import availability
from pipelines.availability import Availability
from pipelines.ingestion import ingest
from pipelines.stages import table_bytes, typed, write_whole
from pipelines.withdrawal import Withdrawn
from tests.pipelines.lamp_town import AS_OF as LAMPS_AS_OF
from tests.pipelines.lamp_town import Town, town
from tests.results import ROOT, Result, edit, judged, line
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot, load_pilot

AS_OF = datetime(2013, 3, 1, tzinfo=UTC)
SINCE = datetime(2013, 2, 1, tzinfo=UTC)


def flights(root: Path, *rewrites: tuple[str, str]) -> Pilot:
    """The pilot flights with some lines of its source rewritten."""
    folder = root / "pilots" / "flights"
    shutil.copytree(ROOT / "pilots" / "flights", folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = folder / "source.py"
    content = source.read_text("utf-8")
    for old, new in rewrites:
        assert old in content, old
        content = content.replace(old, new)
    source.write_text(content, "utf-8")
    return load_pilot("flights", root)


def measured(pilot: Pilot) -> Availability:
    rows = typed(pilot.source.fetch(SINCE, AS_OF), pilot.contract)
    return availability.measure(pilot, rows, AS_OF)


def names(found: Availability) -> set[str]:
    return {difference.column for difference in found.differing}


def test_an_honest_source_makes_the_same_rows_and_the_cut_reaches_all_its_history(tmp_path: Path) -> None:
    found = measured(flights(tmp_path))
    assert names(found) == set()
    assert len(found.moments) > 20
    assert found.hidden > len(found.moments)
    history = {
        "temp",
        "humid",
        "pressure",
        "recent_delay",
        "recent_late_share",
        "carrier_recent_delay",
        "overdue",
    }
    assert history <= set(found.reached)
    assert not {"carrier", "dest", "distance", "departure_hour", "seats"} & set(found.reached)
    assert measured(load_pilot("flights", tmp_path)) == found, "the same rows give the same evidence"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        # The hour of departure as it really was.
        ('raw["minute"] / 60)', 'raw["minute"] / 60 + raw["dep_delay"].fillna(0) / 60)', {"departure_hour"}),
        # Delays of flights that were due before the decision, gone or not.
        (
            'assign(departed=_departed(flights))\n',
            'assign(departed=flights["scheduled"].where(flights["dep_delay"].notna()))\n',
            {"recent_delay", "recent_late_share", "carrier_recent_delay", "overdue"},
        ),
        # The weather an hour after departure.
        (
            "_weather(rows, decided, raw.weather)",
            '_weather(rows, decided + pd.Timedelta("3h"), raw.weather)',
            {"temp", "humid", "wind_speed", "pressure"},
        ),
        # Flights that never arrived are left out: who asks cannot know which.
        (
            "    return rows[COLUMNS]",
            '    return rows.loc[rows["late"].notna(), COLUMNS]',
            {"flight_id"},
        ),
        # The door is there and does nothing.
        ("raw.as_known_at(known_at) if known_at else raw", "raw", {"late"}),
    ],
    ids=["actual departure", "not yet gone", "weather of a later hour", "left out for how it ended", "a door for show"],
)  # fmt: skip
def test_a_leak_is_named_by_its_columns(tmp_path: Path, old: str, new: str, named: set[str]) -> None:
    found = measured(flights(tmp_path, (old, new)))
    assert named <= names(found)
    assert names(found) <= named | {"wind_gust", "precip", "visib"}
    assert all(1 <= len(difference.examples) <= 3 for difference in found.differing)


def test_a_question_asked_earlier_than_the_source_believes_is_a_leak(tmp_path: Path) -> None:
    pilot = flights(tmp_path)
    edit(tmp_path, {"data": {"decision_lead_minutes": 240}})
    assert {"recent_delay", "temp"} <= names(measured(load_pilot("flights", tmp_path)))
    assert pilot.file.data.decision_lead_minutes == 120


def test_a_source_that_falls_over_what_is_missing_is_refused_with_the_moment(tmp_path: Path) -> None:
    pilot = flights(tmp_path, ('"late_known_at": _reported(raw),', '"late_known_at": _late(raw),'))
    source = pilot.folder / "source.py"
    source.write_text(
        source.read_text()
        + "\n\ndef _late(raw):\n    assert raw['dep_delay'].notna().any()\n    return _reported(raw)\n"
    )
    with pytest.raises(
        TremplinError,
        match=r"known_at=2013-.* failed with AssertionError.*made of what was known at that moment",
    ):
        measured(load_pilot("flights", tmp_path))


def test_moments_are_spread_and_denser_in_the_newest_month(pilot: Pilot) -> None:
    rows = typed(
        pilot.source.fetch(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 7, 1, tzinfo=UTC)), pilot.contract
    )
    drawn = pd.Series(availability.draw(rows, pilot.contract, AS_OF))
    assert drawn.is_monotonic_increasing
    assert drawn.dt.month.nunique() == 6
    last = drawn > rows["scheduled_departure"].max() - availability.MONTH
    assert last.sum() > len(drawn) / 3
    assert set(availability.draw(rows, pilot.contract, AS_OF)) == set(drawn)
    assert set(availability.draw(rows, pilot.contract, SINCE)) != set(drawn)


@pytest.fixture
def place(tmp_path: Path) -> Town:
    return town(tmp_path)


def test_the_snapshot_carries_the_evidence_under_its_own_hash(place: Town) -> None:
    first = ingest(place.pilot, place.paths, LAMPS_AS_OF)
    found = availability.read(place.paths.snapshot)
    assert found is not None
    assert (found.uncut_because, found.differing) == (None, [])
    assert found.hidden > 0
    leak = "rows['voltage'] = rows['voltage'] + 10 * rows['failed'].fillna(False)\n    return rows["
    source = place.csv.with_name("source.py")
    source.write_text(source.read_text().replace("return rows[", leak))
    assert ingest(place.pilot, place.paths, LAMPS_AS_OF).sha256 != first.sha256
    leaking = availability.read(place.paths.snapshot)
    assert leaking is not None
    assert names(leaking) == {"voltage"}


def test_who_withdrew_is_no_difference(place: Town) -> None:
    ingest(place.pilot, place.paths, LAMPS_AS_OF)
    rows = pd.read_parquet(place.paths.snapshot)
    gone = Withdrawn(frozenset(rows["check_id"][::2]))
    ingest(place.pilot, place.paths, LAMPS_AS_OF, withdrawn=gone)
    found = availability.read(place.paths.snapshot)
    assert found is not None
    assert found.rows > 0
    assert names(found) == set()


def test_a_source_without_a_door_needs_a_reason(place: Town) -> None:
    source = place.csv.with_name("source.py")
    source.write_text(
        source.read_text()
        .replace(", known_at: datetime | None = None", "")
        .replace("if known_at", "if False")
    )
    for reason in (None, "The register is read on the morning itself."):
        file = place.csv.with_name("pilot.yaml")
        if reason:
            file.write_text(
                file.read_text().replace(
                    "decision_lead_minutes: 0", f"decision_lead_minutes: 0\n  uncut_because: {reason}"
                )
            )
        ingest(place.pilot, place.paths, LAMPS_AS_OF)
        found = availability.read(place.paths.snapshot)
        assert found is not None
        assert found.uncut_because == (reason or "")


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


def says(result: Result, found: Availability | None) -> None:
    """Give the snapshot other evidence."""
    metadata = {availability.METADATA: found.model_dump_json()} if found else None
    write_whole(result.paths.snapshot, table_bytes(pd.read_parquet(result.paths.snapshot), metadata))


def test_the_gate_reads_the_evidence_and_blocks_by_name(result: Result) -> None:
    honest = availability.read(result.paths.snapshot)
    assert honest is not None
    passed = line(judged(result), "availability")
    assert passed.passed
    assert "it says nothing of origin, carrier, dest, distance" in passed.evidence
    leak = availability.Difference(column="temp", rows=12, examples=["A", "B", "C"])
    for found, said in (
        (honest.model_copy(update={"differing": [leak]}), "temp in 12 rows, such as A, B, C"),
        (honest.model_copy(update={"hidden": 0}), "nothing shows that known_at cuts the source"),
        (
            honest.model_copy(update={"uncut_because": ""}),
            "has no parameter known_at, and data.uncut_because",
        ),
        (None, "take it again with `tremplin run`"),
    ):
        says(result, found)
        verdict = judged(result)
        assert verdict.blocked_by == ["availability"]
        assert said in line(verdict, "availability").evidence
    says(result, honest.model_copy(update={"uncut_because": "read on the day"}))
    verdict = judged(result)
    assert verdict.passed
    assert line(verdict, "availability").evidence == "the source is not cut: read on the day"
