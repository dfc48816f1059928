"""What `tremplin new` infers holds for the very table; what is planted is found, and what is honest is not accused."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.exporting import check_convertible
from pipelines.fitting import fit, labels_of
from pipelines.gate.checks.leakage import single_auc
from tests.tremplin.scaffolded import ROWS, World, jobs, world
from tremplin.batch_checks import check_rows
from tremplin.charter import RegressionCharter
from tremplin.contract import Role
from tremplin.frame import model_frame
from tremplin.pilot import undecided
from tremplin.scaffolding.asked import Asked
from tremplin.scaffolding.documents import _spelled
from tremplin.scaffolding.pilot import ALWAYS, new_pilot
from tremplin.target import Task


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)
VALUES = {
    "small whole numbers": st.integers(-5, 9),
    "large whole numbers": st.integers(-(10**14), 10**14),
    "numbers": st.floats(-1e9, 1e9, allow_subnormal=False),
    "shares": st.floats(0, 1, allow_subnormal=False),
    "codes": st.sampled_from(["a", "b", "é", "no", "null-ish", "- x: {y}", "changeme", "#1", "'", '"']),
    "free text": TEXT,
    "switches": st.booleans(),
    "days": st.dates(datetime(1990, 1, 1).date(), datetime(2030, 1, 1).date()),  # noqa: DTZ001
}


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Orders with one to four columns of any kind beside them, with gaps, under any name."""
    rows = jobs(120)
    names = draw(st.lists(st.text("aZé _-1.", min_size=1, max_size=8), min_size=1, max_size=4, unique=True))
    for name in names:
        pool = draw(st.lists(VALUES[draw(st.sampled_from(sorted(VALUES)))], min_size=1, max_size=8))
        gaps = draw(st.sampled_from([None, 3, 7]))
        values = pd.Series([pool[place % len(pool)] for place in range(len(rows))], dtype=object)
        rows[name] = values if gaps is None else values.where(values.index % gaps != 0, None)
    return rows.convert_dtypes()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    table=tables(),
    file=st.sampled_from(["table.csv", "table.parquet"]),
    target=st.sampled_from(["late", "weight"]),
)
def test_what_is_inferred_accepts_every_row_of_the_very_table(
    table: pd.DataFrame, file: str, target: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        there = world(Path(folder) / "checkout")
        made = there.new(table, file=file, target=target)
        pilot, rows = there.pilot(), there.rows()
        checked = check_rows(rows, pilot.contract)
        assert checked.breaches == []
        assert len(checked.accepted) == len(table) == made.rows
        assert pilot.contract.features


@pytest.mark.parametrize("file", ["table.csv", "table.parquet"])
def test_the_source_cuts_the_window_and_says_what_the_file_says(here: World, file: str) -> None:
    table = jobs()
    here.new(table, file=file, target="late", label_after="6h")
    source, names = here.pilot().source, here.pilot().contract
    cut = datetime(2024, 2, 1, tzinfo=UTC)
    before, after = source.fetch(ALWAYS[0], cut), source.fetch(cut, ALWAYS[1])
    assert (before["placed"] < cut).all()
    assert (after["placed"] >= cut).all()
    rows = pd.concat([before, after], ignore_index=True)
    assert rows["order"].tolist() == table["order"].tolist()
    assert rows["late"].tolist() == (table["late"] == "yes").tolist()
    assert rows["weight"].tolist() == table["weight"].tolist()
    assert (rows[names.label_time] - rows["placed"] == pd.Timedelta(hours=6)).all()
    assert "read_files(" in (here.root / "pilots" / "fresh" / "source.py").read_text("utf-8")


def test_what_europe_s_spreadsheets_write_is_read(here: World) -> None:
    table = jobs().assign(site=["Besançon", "Orléans"] * (ROWS // 2))
    written = table.assign(placed=table["placed"].dt.strftime("%d/%m/%Y %H:%M"))
    file = here.write(written, sep=";", decimal=",", encoding="cp1252")
    new_pilot("fresh", file, here.root, Asked("late", site="site"), single_auc=single_auc)
    rows = here.rows()
    assert rows["weight"].tolist() == table["weight"].tolist()
    assert rows["placed"].tolist() == table["placed"].tolist()
    assert set(rows["site"]) == {"Besançon", "Orléans"}


def test_roles_are_found_and_kept_where_they_were_asked_for(here: World) -> None:
    made = here.new(jobs(), target="late", site="kind", subject="order")
    contract = here.pilot().contract
    assert (contract.key, contract.time, contract.site, contract.subject) == (
        "order",
        "placed",
        "kind",
        "order",
    )
    assert {column.name for column in contract.features} == {
        "kind",
        "weight",
        "colour",
        "hour",
        "weekday",
    } | ({"month"} & {column.name for column in contract.columns})
    assert made.decided[0] == "target late: yes where late is yes"


def test_a_number_becomes_a_question_and_is_no_feature_of_it(here: World) -> None:
    here.new(jobs(), target="weight", above=30)
    rows, contract = here.rows(), here.pilot().contract
    assert contract.target == "weight_above_30"
    assert rows["weight_above_30"].tolist() == (jobs()["weight"] > 30).tolist()
    assert "weight" not in [column.name for column in contract.columns]


@pytest.mark.parametrize("file", ["table.csv", "table.parquet"])
def test_a_number_of_many_values_asks_how_much(here: World, file: str) -> None:
    table = jobs().assign(weight=jobs()["weight"].mask(jobs().index % 50 == 0))
    made = here.new(table, file=file, target="weight")
    rows, pilot = here.rows(), here.pilot()
    target = pilot.contract.column("weight")
    assert (pilot.contract.task, target.logicalType, target.unit) == (Task.REGRESSION, "number", "changeme")
    assert pilot.contract.scale.low == 0
    assert pilot.contract.scale.high >= table["weight"].max()
    assert rows["weight"].tolist() == pytest.approx(table["weight"].tolist(), nan_ok=True)
    assert (rows[pilot.contract.label_time].isna() == table["weight"].isna()).all()
    assert isinstance(pilot.charter, RegressionCharter)
    assert "late" in [column.name for column in pilot.contract.features]
    assert any("--above" in line for line in made.decided)


def test_whole_numbers_stay_whole_and_limits_follow_what_could_be_lost(here: World) -> None:
    random = np.random.default_rng(4)
    here.new(jobs().assign(pieces=random.poisson(20, ROWS)), target="pieces")
    pilot = here.pilot()
    assert pilot.contract.column("pieces").logicalType == "integer"
    spread = float(pilot.contract.scale.to_unit(here.rows()["pieces"].astype("float64")).var())
    gate, margin = pilot.file.gate, pilot.file.rollout.margin
    assert margin == pytest.approx(0.05 * spread, rel=0.1)
    assert gate.champion_margin < gate.noise_limit < gate.unit_errors_limit < spread
    assert gate.calibration_limit < spread**0.5


def test_few_values_that_stretch_the_range_of_an_amount_are_told_and_its_limits_follow(here: World) -> None:
    table = jobs(2000)
    here.new(table, name="plain", target="weight")
    here.new(
        table.assign(weight=table["weight"].where(table.index != 7, 40_000)), name="far", target="weight"
    )
    plain, far = (here.pilot(name) for name in ("plain", "far"))
    assert "clip them" not in plain.contract.column("weight").description
    assert " to 39.98; changeme" in far.contract.column("weight").description
    assert any("clip them" in str(place) for place in undecided(far))
    assert 1e-6 <= far.file.gate.parity_limit < plain.file.gate.parity_limit < 1e-4
    assert 0 < far.file.gate.champion_margin < plain.file.gate.champion_margin
    text = (far.folder / "pilot.yaml").read_text("utf-8")
    assert isinstance(yaml.safe_load(text)["gate"]["champion_margin"], float)


@pytest.mark.parametrize("small", [5e-05, 1e-06, 0.0001, 5.5e-05])
def test_a_small_limit_is_a_number_to_any_reader(small: float) -> None:
    assert yaml.safe_load(_spelled(small)) == small


@pytest.mark.parametrize("fairness", [True, False])
def test_the_fairness_of_an_amount_is_measured_by_what_applies_to_it(here: World, fairness: bool) -> None:
    target = "weight" if fairness else "late"
    here.new(jobs().assign(sex=["f", "m"] * (ROWS // 2)), target=target)
    chosen = here.pilot().charter.fairness
    assert chosen is not None
    assert chosen.limited == (["calibration"] if fairness else ["true_positive_rate"])


def test_rows_that_say_the_year_alone_are_spread_over_it_the_same_way_each_time(here: World) -> None:
    table = jobs().assign(year=np.repeat([2022, 2023], ROWS // 2)).drop(columns="placed")
    here.new(table, target="late", time="year")
    rows = here.rows()
    assert sorted(rows["moment"].dt.year.value_counts().to_dict().items()) == [(2022, 300), (2023, 300)]
    assert rows["moment"].dt.month.nunique() == 12
    pd.testing.assert_frame_equal(rows, here.rows())
    assert any("the year alone" in str(place) for place in undecided(here.pilot()))


def test_a_column_that_says_when_the_answer_was_known_is_found(here: World) -> None:
    table = jobs()
    closed = (table["placed"] + pd.Timedelta(days=3)).where(table.index % 5 != 0)
    table = table.assign(closed=closed, late=table["late"].where(table.index % 5 != 0))
    here.new(table, target="late")
    contract = here.pilot().contract
    assert contract.label_time == "closed"
    assert contract.column("closed").tags == [Role.LABEL_TIME]
    assert check_rows(here.rows(), contract).breaches == []


def after(hours: float, *, day_alone: bool = False) -> pd.Series:
    moments = jobs()["placed"] + pd.Timedelta(hours=hours) + pd.to_timedelta(np.arange(ROWS) % 50, unit="min")
    return moments.dt.normalize() if day_alone else moments


OTHER_TIMES: dict[str, tuple[dict[str, pd.Series], str]] = {
    "a closing of more values": ({"closed": after(30), "placed": jobs()["placed"].dt.normalize()}, "placed"),
    "a closing that says the day alone": ({"closed": after(1, day_alone=True), "placed": jobs()["placed"]}, "placed"),
    "a request before the order": ({"asked_for": after(-60)}, "asked_for"),
    "an order that some closings overtake": (
        {"closed": after(9).where(pd.Series(np.arange(ROWS) % 9 != 0), after(-9)), "placed": jobs()["placed"]}, "placed"),
    "when the shop was opened": (
        {"opened": pd.Series(pd.to_datetime(["1999-01-01", "2003-05-04"] * (ROWS // 2), utc=True))}, "placed"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER_TIMES)
def test_of_several_times_the_earliest_is_taken_and_the_others_stay_a_question(
    here: World, case: str
) -> None:
    columns, taken = OTHER_TIMES[case]
    table = jobs().assign(**columns)
    table = table[[*columns, *(name for name in table if name not in columns)]]
    made = here.new(table, target="late")
    other = next(name for name in {"placed", *columns} if name != taken)
    assert here.pilot().contract.time == taken
    assert any(f"`--time COLUMN` if it is another of {other}" in line for line in made.decided)
    assert [str(place) for place in undecided(here.pilot()) if f"if {other} is meant" in str(place)]


def test_a_time_that_was_asked_for_is_no_question(here: World) -> None:
    here.new(jobs().assign(closed=after(30)), target="late", time="closed")
    assert here.pilot().contract.time == "closed"
    assert not [place for place in undecided(here.pilot()) if "--time" in str(place)]


def test_where_the_file_lies_can_be_said_elsewhere(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here.new(jobs(), target="late")
    moved = here.root.parent / "moved.csv"
    (here.root / "table.csv").rename(moved)
    source = here.pilot().source
    with pytest.raises(Exception, match="TREMPLIN_FRESH_FILE=/path/to/it"):
        source.fetch(*ALWAYS)
    monkeypatch.setenv("TREMPLIN_FRESH_FILE", str(moved))
    assert len(source.fetch(*ALWAYS)) == ROWS


PERSONAL = {
    "an e-mail address": [f"user{i}@mail{i % 7}.example" for i in range(ROWS)],
    "a phone number": [f"+33 6 {i % 90 + 10} {i % 80 + 11} 45 {i % 70 + 12}" for i in range(ROWS)],
    "the name of a person": [f"{('Marie', 'John', 'Ahmed', 'Petra')[i % 4]} Surname{chr(97 + i % 26)}" for i in range(ROWS)],
    "a national number": [f"{100 + i % 500}-{10 + i % 80}-{1000 + i}" for i in range(ROWS)],
    "a postal address": [f"{i + 1} {('Station Road', 'High Street', 'Park Avenue')[i % 3]}" for i in range(ROWS)],
    "an IBAN": ["GB82 WEST 1234 5698 7654 32", "DE89 3704 0044 0532 0130 00"] * (ROWS // 2),
    "sex or gender": ["M", "F"] * (ROWS // 2),
    "ethnic origin": ["White", "Black", "Asian", "Hispanic"] * (ROWS // 4),
    "religion": ["Muslim", "Christian", "none"] * (ROWS // 3),
}  # fmt: skip


@pytest.mark.parametrize("what", PERSONAL)
def test_planted_personal_columns_are_found_by_what_they_hold(here: World, what: str) -> None:
    values = PERSONAL[what]
    made = here.new(jobs().assign(c1=values), target="late")
    entry = next(entry for entry in made.entries if entry.name == "c1")
    assert entry.suspected == "personal"
    assert what in (entry.remark or "")
    assert not entry.is_feature
    column = here.pilot().contract.column("c1")
    assert (column.purpose, here.pilot().charter.gdpr.personal_data) == ("changeme", True)
    assert any("seems to be" in str(place) for place in undecided(here.pilot()))
    if column.classification == "personal":
        written = (here.root / "pilots" / "fresh" / "contract.yaml").read_text("utf-8")
        assert not [value for value in set(values) if value in written], "nobody's data lies in git"


@pytest.mark.parametrize(
    ("name", "what"),
    [("Date of Birth", "birth"), ("customerEmail", "e-mail"), ("SSN", "national"), ("surname", "name"), ("gender", "sex"),
     ("RAC1P", "ethnic"), ("religion", "religion"), ("disability", "health"), ("Patient ID", "number of a person"),
     ("zip_code", "address")],
)  # fmt: skip
def test_planted_personal_columns_are_found_by_their_name(here: World, name: str, what: str) -> None:
    made = here.new(jobs().assign(**{name: [10001, 10002, 10003] * (ROWS // 3)}), target="late")
    (suspected,) = [entry for entry in made.entries if entry.suspected]
    assert what in (suspected.remark or "")
    assert not suspected.is_feature


@pytest.mark.parametrize(
    ("name", "what"),
    [(name, "health") for name in ("DIS", "DDRS", "DEAR", "DEYE", "DREM", "DOUT", "DPHY", "DIFFWALK", "DIFFREM", "lim_mob",
                                   "Hearing difficulty", "difficulty_dressing", "selfCareDifficulty", "GENHLTH")]
    + [(name, "ethnic") for name in ("RACBLK", "HISP", "RIDRETH1", "ANC1P", "CIT")] + [("rlgdnm", "religion")],
)  # fmt: skip
def test_columns_as_codebooks_call_them_are_found(here: World, name: str, what: str) -> None:
    made = here.new(jobs().assign(**{name: [1, 2, 2] * (ROWS // 3)}), target="late")
    (suspected,) = [entry for entry in made.entries if entry.suspected]
    assert what in (suspected.remark or "")
    assert here.pilot().contract.column(suspected.name).held_apart


def test_a_code_is_believed_of_few_kinds_only_and_no_word_is_taken_for_one(here: World) -> None:
    random = np.random.default_rng(2)
    measured = {name: random.normal(50, 9, ROWS).round(2) for name in ("dis", "dout", "cit")}
    words = {
        name: [1, 2] * (ROWS // 2)
        for name in ("display", "discount", "drive", "important", "district", "limit", "ethanol")
    }
    made = here.new(jobs().assign(**measured, **words), target="late")
    assert {entry.name: entry.remark for entry in made.entries if entry.suspected} == {}


def test_what_a_file_says_of_its_columns_is_read(here: World) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = {
        "q17": "Any difficulty in hearing, with an aid",
        "q18": "Address of the warehouse",
        "q19": "Religious denomination",
    }
    table = pa.Table.from_pandas(jobs().assign(**{name: [1, 2] * (ROWS // 2) for name in said}))
    for name, words in said.items():
        field = table.schema.field(name).with_metadata({"description": words})
        table = table.cast(table.schema.set(table.schema.get_field_index(name), field))
    pq.write_table(table, here.root / "table.parquet")
    made = new_pilot("fresh", here.root / "table.parquet", here.root, Asked("late"), single_auc=single_auc)
    assert {entry.name for entry in made.entries if entry.suspected} == {"q17", "q19"}
    assert all("by its description" in (entry.remark or "") for entry in made.entries if entry.suspected)


def leaks(table: pd.DataFrame) -> dict[str, pd.Series]:
    random = np.random.default_rng(8)
    late = pd.Series(table["late"] == "yes")
    flipped = late ^ (random.random(len(table)) < 0.03)
    distance = pd.Series(random.uniform(-1, 1, len(table)))
    return {
        "the answer with errors": flipped.map({True: "x", False: "y"}),
        "a number far from the middle": distance.where(late, distance * 0.05).where(~late, distance + np.sign(distance)),
        "missing where it is not": pd.Series(random.uniform(0, 1, len(table))).where(late),
        "a reason of some": pd.Series(random.choice(["ice", "fog"], len(table))).where(late & (random.random(len(table)) < 0.4)),
    }  # fmt: skip


@pytest.mark.parametrize("which", leaks(jobs()))
def test_planted_leaks_are_found(here: World, which: str) -> None:
    made = here.new(jobs().assign(c1=leaks(jobs())[which]), target="late")
    (suspected,) = [entry for entry in made.entries if entry.suspected]
    assert (suspected.name, suspected.suspected, suspected.is_feature) == ("c1", "leak", False)
    assert any("if it is known when the question is asked" in str(place) for place in undecided(here.pilot()))


def test_a_suspected_leak_is_confirmed_as_a_feature_by_one_edit(here: World) -> None:
    here.new(jobs().assign(c1=leaks(jobs())["the answer with errors"], c2=jobs()["weight"]), target="late")
    contract = here.root / "pilots" / "fresh" / "contract.yaml"
    before = {column.name for column in here.pilot().contract.features}
    lines = contract.read_text("utf-8").splitlines()
    (place,) = [number for number, line in enumerate(lines) if "if it is known when the question" in line]
    lines[place] = lines[place].replace("tags: []", "tags: [feature]")
    contract.write_text("\n".join(lines), "utf-8")
    pilot = here.pilot()
    assert {column.name for column in pilot.contract.features} == before | {"c1"}
    check_convertible(pilot)
    rows = here.rows()
    frame = model_frame(rows, pilot.contract)
    for name in ("baseline", *pilot.file.model.candidates):
        fitted = fit(pilot, pilot.file.model, name, frame, labels_of(rows, pilot.contract))
        assert fitted.named_steps["estimator"].n_features_in_ == len(before) + 1


def leaks_of_an_amount(table: pd.DataFrame) -> dict[str, pd.Series]:
    random, weight = np.random.default_rng(8), table["weight"]
    return {
        "in another unit": weight * 2.2046 + random.normal(0, 0.5, len(table)),
        "what is left of it": 100 - weight - random.uniform(0, 3, len(table)),
        "its class": pd.Series(
            pd.qcut(weight, 12, labels=[f"class {chr(97 + i)}" for i in range(12)]).astype(str)
        ),
    }


@pytest.mark.parametrize("which", leaks_of_an_amount(jobs()))
def test_planted_leaks_of_an_amount_are_found(here: World, which: str) -> None:
    made = here.new(jobs().assign(c1=leaks_of_an_amount(jobs())[which]), target="weight")
    (suspected,) = [entry for entry in made.entries if entry.suspected]
    assert (suspected.name, suspected.suspected) == ("c1", "leak")
    assert "a concordance of" in (suspected.remark or "")


def test_what_tells_something_of_an_amount_is_not_accused(here: World) -> None:
    random, table = np.random.default_rng(3), jobs()
    honest = table.assign(
        pallets=(table["weight"] / 8 + random.normal(0, 1.5, ROWS)).clip(lower=0).round(),
        reading=random.random(ROWS),
    )
    made = here.new(honest, target="weight")
    assert {entry.name: entry.remark for entry in made.entries if entry.suspected} == {}


def test_a_column_that_waits_for_the_answer_is_found(here: World) -> None:
    table = jobs()
    waits = table.index % 4 == 0
    table = table.assign(
        late=table["late"].mask(waits), handled_by=pd.Series(["A", "B"] * (ROWS // 2)).mask(waits)
    )
    made = here.new(table, target="late")
    (suspected,) = [entry for entry in made.entries if entry.suspected]
    assert suspected.name == "handled_by"
    assert "only once late is known" in (suspected.remark or "")


@pytest.mark.parametrize("seed", range(4))
def test_honest_columns_are_not_accused(here: World, seed: int) -> None:
    random, table = np.random.default_rng(seed), jobs(seed=seed)
    honest = table.assign(
        temperature=random.normal(15, 8, ROWS).round(1),
        city=random.choice(["Paris", "Lyon", "New York", "San Jose", "Saint John"], ROWS),
        product_name=random.choice(["Blue Chair", "Round Table", "Desk Lamp"], ROWS),
        article=[f"A{i % 40:02d}-{i % 7}" for i in range(ROWS)],
        account_type=random.choice(["gold", "silver"], ROWS),
        reading=pd.Series(random.normal(0, 1, ROWS)).mask(random.random(ROWS) < 0.3),
        rare=pd.Series(["seen"] * ROWS).mask(random.random(ROWS) < 0.9),
        paint=random.choice(["white", "black", "grey"], ROWS),
        size=random.choice(["M", "L", "S"], ROWS),
        engine_health=random.uniform(0, 1, ROWS),
    )
    made = here.new(honest, target="late")
    assert {entry.name: entry.remark for entry in made.entries if entry.suspected} == {}
    features = {column.name for column in here.pilot().contract.features}
    assert features >= set(honest) - {"order", "placed", "late"}
