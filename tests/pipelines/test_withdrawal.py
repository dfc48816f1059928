"""Who withdrew their consent is in nothing that is made; everybody else is there as before."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from pipelines import preparation
from pipelines.flows import ingest as ingest_task
from pipelines.ingestion import ingest, ingested, read_facts
from pipelines.withdrawal import NOBODY, Withdrawn, read_withdrawn
from tests.pipelines.lamp_town import AS_OF, Town, lamps, town
from tremplin.errors import ContractBreach, TremplinError
from tremplin.settings import load_settings

OWNER = (
    "{name: owner, logicalType: integer, description: Who owns the lamp, tags: [subject], classification: internal, "
    "logicalTypeOptions: {minimum: 0, maximum: 99}, examples: [7]}"
)
KEYS = {"L3-1", "L2-118"}  # a row of the training part and one of the evaluation


@pytest.fixture
def place(tmp_path: Path) -> Town:
    """Lamps with an owner, a number, as their subject: five lamps each."""
    made = town(tmp_path)
    rows = lamps()
    made.write(rows.assign(owner=rows["check_id"].str.extract(r"L(\d+)-")[0].astype(int) % 12))
    contract = made.csv.with_name("contract.yaml")
    lines = contract.read_text("utf-8").splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if "name: quarter" in line)
    contract.write_text("".join([*lines[:at], f"      - {OWNER}\n", *lines[at:]]), "utf-8")
    return made


def listed(*identifiers: str) -> Withdrawn:
    return Withdrawn(frozenset(identifiers))


def tables(place: Town) -> dict[str, pd.DataFrame]:
    """Everything with rows that a training begins with."""
    preparation.stage(place.pilot, place.paths)
    parts = {part: place.paths.prepared / f"{part}.parquet" for part in ("train", "evaluation")}
    return {
        name: pd.read_parquet(path)
        for name, path in {"snapshot": place.paths.snapshot, "audit": place.paths.audit, **parts}.items()
    }


def test_rows_of_a_key_or_a_subject_are_gone_and_the_others_untouched(place: Town) -> None:
    ingest(place.pilot, place.paths, AS_OF)
    before = tables(place)
    facts = ingest(place.pilot, place.paths, AS_OF, withdrawn=listed("7", *KEYS))
    after = tables(place)
    gone = before["snapshot"]["check_id"].isin(KEYS) | (before["snapshot"]["owner"] == 7)
    keys = before["snapshot"].loc[gone, "check_id"]
    assert facts.withdrawn == gone.sum() == len(KEYS) + 120 * 5
    assert facts.rows == len(after["snapshot"]) == 120 * 60 - facts.withdrawn
    for name, rows in after.items():
        kept = before[name][~before[name]["check_id"].isin(keys)].reset_index(drop=True)
        assert len(kept) < len(before[name])
        pd.testing.assert_frame_equal(rows, kept)


def test_the_same_list_is_a_no_op_and_a_longer_one_another_snapshot(place: Town) -> None:
    first = ingest(place.pilot, place.paths, AS_OF, withdrawn=listed("7"))
    place.csv.rename(place.csv.with_suffix(".away"))  # it would be missed if anybody looked
    assert ingest(place.pilot, place.paths, AS_OF, withdrawn=listed("7")) == first
    assert ingested(place.pilot, place.paths, AS_OF, withdrawn=listed("7", "8")) is None
    assert ingested(place.pilot, place.paths, AS_OF) is None
    place.csv.with_suffix(".away").rename(place.csv)
    longer = ingest(place.pilot, place.paths, AS_OF, withdrawn=listed("7", "8"))
    assert longer.rows == first.rows - 120 * 5
    assert longer.sha256 != first.sha256


STORED = {
    "floats": pd.Series([7.0, 17.0, None]),
    "floats, one of them no whole number": pd.Series([7.0, 17.5, None]),
    "floats among objects": pd.Series([7.0, "17", None], dtype=object),
    "whole numbers among objects": pd.Series([7, "x", None], dtype=object),
    "decimals": pd.Series([Decimal("7.00"), Decimal(17), None], dtype=object),
    "text": pd.Series(["7", "17", None]),
    "text of floats": pd.Series(["7.0", "17.0", None]),
    "text with spaces": pd.Series([" 7", "17 ", None]),
    "kinds": pd.Series(["7", "17", None]).astype("category"),
    "whole numbers": pd.Series([7, 17, None], dtype="Int64"),
}


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("identifier", ["7", "7.0"])
def test_whoever_is_listed_is_found_however_the_source_stores_a_number(
    place: Town, stored: str, identifier: str
) -> None:
    contract, rows = (
        place.pilot.contract,
        pd.DataFrame({"check_id": ["a", "b", "c"], "owner": STORED[stored]}),
    )
    asked = listed(identifier, "70", "b ")
    assert asked.leave_out(rows, contract)["check_id"].tolist() == ["c"]
    assert asked.unmatched(rows, contract) == 1


@pytest.mark.parametrize("key", [2**53 + 1, 10**17 + 1])
def test_neighbouring_large_numbers_are_told_apart(place: Town, key: int) -> None:
    rows = pd.DataFrame({"check_id": ["a", "b"], "owner": pd.Series([key, None], dtype="Int64")})
    assert listed(str(key - 1)).leave_out(rows, place.pilot.contract)["check_id"].tolist() == ["a", "b"]
    assert listed(str(key)).leave_out(rows, place.pilot.contract)["check_id"].tolist() == ["b"]


@pytest.mark.parametrize("other", ["7.5", "07", "7a", "-7", "7.0.0"])
def test_what_is_no_other_spelling_of_an_identifier_is_somebody_else(place: Town, other: str) -> None:
    rows = pd.DataFrame({"check_id": ["a"], "owner": pd.Series([7.0], dtype=object)})
    assert len(listed(other).leave_out(rows, place.pilot.contract)) == 1


def test_a_withdrawn_row_is_not_even_kept_aside_or_named_when_it_breaks_the_contract(place: Town) -> None:
    rows = pd.read_csv(place.csv)
    rows.loc[rows["check_id"].isin(KEYS), "age"] = -1
    place.write(rows)
    with pytest.raises(ContractBreach, match="age"):
        ingest(place.pilot, place.paths, AS_OF)
    assert ingest(place.pilot, place.paths, AS_OF, withdrawn=listed(*KEYS)).withdrawn == len(KEYS)
    assert not place.paths.rejected.exists()


def test_the_task_of_the_flow_reads_the_list_and_no_identifier_leaves_it(
    place: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = place.root / "kept" / "by-the-register.txt"
    elsewhere.parent.mkdir()
    elsewhere.write_text(
        "\ufeff# asked in writing\n\n  L3-1\nL2-118   # by letter\nnobody-we-know\n", "utf-8"
    )
    monkeypatch.setenv("TREMPLIN_WITHDRAWN", str(elsewhere))
    monkeypatch.setattr(
        "pipelines.reproducing.track_snapshot", lambda _: None
    )  # DVC, which is not asked here
    ingest_task.fn(place.root, "lamps", AS_OF)
    facts = read_facts(place.paths)
    assert facts is not None
    assert (facts.withdrawn, facts.withdrawn_unmatched) == (len(KEYS), 1)
    said = "".join(capsys.readouterr()) + place.paths.snapshot_facts.read_text("utf-8") + repr(listed(*KEYS))
    assert "2 rows left out" in said
    assert "1 of the 3 identifiers that withdrew consent are in no row" in said
    assert not any(key in said for key in {*KEYS, "nobody-we-know"})


def test_a_list_that_was_named_and_cannot_be_read_is_an_error_and_no_empty_list(tmp_path: Path) -> None:
    assert read_withdrawn(load_settings(root=tmp_path)) == NOBODY
    named = tmp_path / "list.txt"
    settings = load_settings(root=tmp_path, withdrawn=named)
    with pytest.raises(TremplinError, match=r"list\.txt is not there"):
        read_withdrawn(settings)
    named.mkdir()
    with pytest.raises(TremplinError, match="cannot be read"):
        read_withdrawn(settings)
    named.rmdir()
    named.write_bytes(b"L3-1\n\xff\n")
    with pytest.raises(TremplinError, match="not UTF-8") as refused:
        read_withdrawn(settings)
    assert refused.value.__cause__ is None
    assert "L3-1" not in str(refused.value)


def test_order_and_comments_make_no_other_list(tmp_path: Path) -> None:
    settings = load_settings(root=tmp_path)
    settings.home.mkdir()
    digests = set()
    for text in ("a\nb#1\n", "# twice\nb#1\r\na\na\n"):
        settings.withdrawn.write_text(text, "utf-8")
        assert read_withdrawn(settings).identifiers == {"a", "b#1"}
        digests.add(read_withdrawn(settings).digest)
    assert len(digests) == 1
