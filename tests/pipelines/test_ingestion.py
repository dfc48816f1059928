"""The snapshot: what was known at as_of, whole or not at all."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines.ingestion import ingest, read_facts
from tests.pipelines.lamp_town import AS_OF, Town, lamps, town
from tremplin.errors import ContractBreach, SourceAway, TremplinError
from tremplin.pilot import load_pilot

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Town:
    return town(tmp_path)


def test_a_snapshot_holds_what_was_known_and_nothing_later(place: Town) -> None:
    facts = ingest(place.pilot, place.paths, AS_OF)
    rows = pd.read_parquet(place.paths.snapshot)
    assert (rows["morning"] < AS_OF).all()
    assert rows["failed_known_at"].max() <= AS_OF
    late = rows["morning"] + timedelta(hours=27) > AS_OF
    assert late.any()
    assert rows.loc[late, ["failed", "failed_known_at"]].isna().all(axis=None)
    assert facts.rows == len(rows) == 120 * 60
    assert facts.labelled == rows["failed"].notna().sum()
    assert facts.labelled + facts.pending + facts.never_labelled == facts.rows
    assert 0 < facts.pending <= late.sum()
    assert facts.sha256 == hashlib.sha256(place.paths.snapshot.read_bytes()).hexdigest()
    assert list(rows) == [column.name for column in place.pilot.contract.columns]


def test_the_same_rows_give_the_same_bytes_whatever_the_source_calls_their_types(tmp_path: Path) -> None:
    one, other = town(tmp_path / "one"), town(tmp_path / "other")
    source = other.csv.with_name("source.py")
    reordered = (
        "return rows[rows.columns[::-1]].astype({'morning': 'datetime64[s, UTC]', 'flickers': 'float64'})["
    )
    source.write_text(source.read_text().replace("return rows[", reordered))
    assert ingest(one.pilot, one.paths, AS_OF).sha256 == ingest(other.pilot, other.paths, AS_OF).sha256


def test_the_same_question_again_does_nothing_and_loads_no_pandas(place: Town) -> None:
    first = ingest(place.pilot, place.paths, AS_OF)
    place.csv.unlink()  # it would be missed if anybody looked
    code = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from pipelines.ingestion import ingest; from tremplin.paths import Paths; from tremplin.pilot import load_pilot\n"
        f"root = Path({str(place.root)!r})\n"
        "print(ingest(load_pilot('lamps', root), Paths(root, 'lamps'), datetime(2024, 5, 1, tzinfo=UTC)).sha256)\n"
        "assert 'pandas' not in sys.modules"
    )
    again = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert again.stdout.strip() == first.sha256


def test_another_day_another_contract_or_other_parameters_fetch_again(place: Town) -> None:
    first = ingest(place.pilot, place.paths, AS_OF)
    assert ingest(place.pilot, place.paths, AS_OF - timedelta(days=1)).sha256 != first.sha256
    for name, old, new in (
        ("contract.yaml", "Lamps on a", "All lamps on a"),
        ("pilot.yaml", "window_days: 120", "window_days: 119"),
    ):
        before = read_facts(place.paths)
        file = place.csv.with_name(name)
        file.write_text(file.read_text().replace(old, new))
        after = ingest(place.pilot, place.paths, AS_OF)
        assert before is not None
        assert after.made_by != before.made_by


def truncate(place: Town) -> None:
    content = place.csv.read_bytes()
    place.csv.write_bytes(content[: len(content) // 2 - 7])


def without_march(place: Town) -> None:
    rows = lamps()
    place.write(rows[rows["morning"].dt.month != 3])


def with_a_column_too_many(place: Town) -> None:
    place.write(lamps().assign(owner="somebody"))


def with_text_for_a_number(place: Town) -> None:
    rows = lamps()
    rows["age"] = rows["age"].astype(str).where(rows.index != 4_000, "old")
    place.write(rows)


def out_of_range(place: Town) -> None:
    rows = lamps()
    place.write(rows.assign(age=rows["age"].where(rows.index != 4_000, 400.0)))


def with_an_undated_label(place: Town) -> None:
    rows = lamps().assign(failed_known_at=lambda r: r["failed_known_at"].mask(r["check_id"] == "L5-30"))
    place.write(rows)


def with_few_labels(place: Town) -> None:
    rows = lamps()
    few = rows.index % 5 > 0
    place.write(
        rows.assign(failed=rows["failed"].mask(few), failed_known_at=rows["failed_known_at"].mask(few))
    )


def of_another_year(place: Town) -> None:
    rows = lamps()
    place.write(rows.assign(morning=rows["morning"] - pd.Timedelta(days=2000)))


def known_too_early(place: Town) -> None:
    rows = lamps()
    place.write(
        rows.assign(
            failed_known_at=rows["failed_known_at"].mask(
                rows["check_id"] == "L5-30", rows["morning"] - pd.Timedelta(days=1)
            )
        )
    )


def gone(place: Town) -> None:
    place.csv.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (truncate, r"no row in 2024-04"),
        (without_march, r"no row in 2024-03, between 2024-01-02 and 2024-05-01"),
        (with_a_column_too_many, r"owner: column too many"),
        (with_text_for_a_number, r"age: type in 7,200 rows"),
        (out_of_range, r"age: range in 1 row.*400"),
        (with_an_undated_label, r"1 rows have a label in failed and no failed_known_at.*L5-30"),
        (with_few_labels, r"Only 1,4\d\d of the 7,200 rows.*minimum_rows asks for 2,000"),
        (of_another_year, r"has no row from 2024-01-02 to 2024-05-01"),
        (known_too_early, r"1 rows have a failed_known_at before their morning.*L5-30"),
        (gone, r"source\.py: fetch\(\) failed with FileNotFoundError"),
    ],
)
def test_a_bad_delivery_is_refused_nothing_is_lost_and_a_rerun_completes(
    place: Town, spoil: Callable[[Town], None], said: str
) -> None:
    earlier = ingest(place.pilot, place.paths, AS_OF - timedelta(days=10))
    spoil(place)
    with pytest.raises(TremplinError) as refused:
        ingest(place.pilot, place.paths, AS_OF)
    assert re.search(said, str(refused.value), re.DOTALL), refused.value
    assert read_facts(place.paths) == earlier
    assert hashlib.sha256(place.paths.snapshot.read_bytes()).hexdigest() == earlier.sha256
    place.write(lamps())
    assert ingest(place.pilot, place.paths, AS_OF).rows == 7_200


@pytest.mark.parametrize("spoil", [with_an_undated_label, known_too_early, out_of_range])
def test_a_refusal_names_no_key_and_no_value_of_a_person(place: Town, spoil: Callable[[Town], None]) -> None:
    contract, charter = (place.csv.with_name(name) for name in ("contract.yaml", "pilot.yaml"))
    content, said = (yaml.safe_load(file.read_text("utf-8")) for file in (contract, charter))
    for column in content["schema"][0]["properties"]:
        if column["name"] in ("check_id", "age"):
            column |= {
                "classification": "personal",
                "customProperties": [{"property": "purpose", "value": "light"}],
            }
    contract.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    said["charter"]["gdpr"] |= {"personal_data": True, "purposes": ["light"]}
    charter.write_text(yaml.safe_dump(said, sort_keys=False), "utf-8")
    spoil(place)
    with pytest.raises(ContractBreach, match=r"\b1 rows?\b") as refused:
        ingest(place.pilot, place.paths, AS_OF)
    assert not re.search(r"L\d+-\d+|400", str(refused.value).replace("7,200", ""))


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("rows", "lie outside of the window 2024-01-02 to 2024-05-01"),
        ("None", r"fetch\(\) gave a NoneType, not a DataFrame"),
        ("pd.concat([rows, rows[['age']]], axis=1)", r"fetch\(\) gave these columns twice: age"),
    ],
)
def test_a_source_that_breaks_its_promise_is_refused(place: Town, returned: str, said: str) -> None:
    file = place.csv.with_name("source.py")
    file.write_text(re.sub(r"return rows\[.*", f"return {returned}", file.read_text()))
    with pytest.raises(TremplinError, match=said):
        ingest(load_pilot("lamps", place.root), place.paths, AS_OF)


def test_a_table_cut_in_the_middle_of_a_line_is_a_breach(place: Town) -> None:
    lines = place.csv.read_text().splitlines()
    place.csv.write_text("\n".join([*lines[:-1], lines[-1].rsplit(",", 5)[0]]))
    with pytest.raises(ContractBreach, match="wet"):
        ingest(place.pilot, place.paths, datetime(2024, 5, 2, tzinfo=UTC))


def test_a_window_that_begins_before_the_source_or_ends_early_in_a_month_is_no_gap(place: Town) -> None:
    file = place.csv.with_name("pilot.yaml")
    file.write_text(file.read_text().replace("window_days: 120", "window_days: 300"))
    assert ingest(place.pilot, place.paths, datetime(2024, 5, 4, tzinfo=UTC)).rows == len(lamps())


def test_a_snapshot_cut_off_from_its_facts_is_made_again(place: Town) -> None:
    first = ingest(place.pilot, place.paths, AS_OF)
    place.paths.snapshot.write_bytes(b"half")
    assert ingest(place.pilot, place.paths, AS_OF) == first
    place.paths.snapshot_facts.write_text("{")
    assert ingest(place.pilot, place.paths, AS_OF) == first
    assert not list(place.paths.snapshot.parent.glob(".*"))


def test_a_time_without_a_zone_is_refused(place: Town) -> None:
    with pytest.raises(TremplinError, match="no time zone"):
        ingest(place.pilot, place.paths, datetime(2024, 5, 1))  # noqa: DTZ001


def test_a_source_that_does_not_answer_may_be_asked_again(place: Town) -> None:
    from prefect.states import Failed

    from pipelines.flows import _worth_retrying

    file = place.csv.with_name("source.py")
    for error, again in (
        ("ConnectionError('refused')", True),
        ("TimeoutError()", True),
        ("KeyError('age')", False),
    ):
        file.write_text(f"def fetch(start, end):\n    raise {error}\n")
        with pytest.raises(TremplinError) as refused:
            ingest(load_pilot("lamps", place.root), place.paths, AS_OF)
        assert isinstance(refused.value, SourceAway) is again
        assert _worth_retrying(None, None, Failed(data=refused.value)) is again


def test_a_delivery_with_a_column_emptier_or_fuller_than_agreed_is_refused_with_the_reason(
    place: Town,
) -> None:
    contract = place.csv.with_name("contract.yaml")
    rule = "{metric: nullValues, mustBeBetween: [5, 15], unit: percent, description: One lamp in ten has no meter}"
    text = contract.read_text("utf-8")
    contract.write_text(
        text.replace("{minimum: 100, maximum: 300},", f"{{minimum: 100, maximum: 300}}, quality: [{rule}],")
    )
    kept = ingest(place.pilot, place.paths, AS_OF)
    rows = lamps()
    for values in (rows["voltage"].mask(rows.index % 5 == 0), rows["voltage"].fillna(230)):
        place.write(rows.assign(voltage=values))
        later = AS_OF + timedelta(hours=1)
        with pytest.raises(ContractBreach, match="not as complete as the contract 'Lamps' says") as refused:
            ingest(place.pilot, place.paths, later)
        assert f"voltage: missing values in {values.isna().sum():,}"[:28] in str(refused.value)
        assert "The contract allows 5 % to 15 %: One lamp in ten has no meter." in str(refused.value)
        assert read_facts(place.paths) == kept
