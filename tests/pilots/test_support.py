"""The pilot support: people as the survey describes them, households kept together, and what may not be seen held apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import ModuleType
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines import evaluation, modeling, preparation, understanding
from pipelines.gate import gate
from pipelines.ingestion import ingest
from pipelines.verdict import Verdict
from tests.results import made_again
from tests.tremplin_cli import CHECKOUT
from tremplin.batch_checks import check_rows
from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot
from tremplin.settings import load_settings

ZONE = ZoneInfo("America/New_York")
APART = {
    "sex",
    "origin",
    "disability",
    "foreign_born",
}  # measured for fairness, seen by no model and no caller


def day(year: int, month: int = 1, of_month: int = 1) -> datetime:
    return datetime(year, month, of_month, tzinfo=ZONE)


@pytest.fixture(scope="module")
def support() -> Pilot:
    return load_pilot("support", CHECKOUT)


@pytest.fixture(scope="module")
def source(support: Pilot) -> ModuleType:
    return support.source


@pytest.fixture(scope="module")
def residents(source: ModuleType) -> pd.DataFrame:
    found: pd.DataFrame = source.fetch(day(2015), day(2019))
    return found


def test_nobody_is_an_example(support: Pilot, residents: pd.DataFrame) -> None:
    """The contract is in git and in every release: who is shown there is made up."""
    for name in (support.contract.key, support.contract.subject):
        assert name is not None
        shown = set(support.contract.column(name).examples)
        assert shown
        assert not shown & set(residents[name])


@pytest.fixture(scope="module")
def survey(source: ModuleType) -> pd.DataFrame:
    found: pd.DataFrame = source.survey(source.answers())
    return found


def test_every_row_obeys_the_contract(support: Pilot, residents: pd.DataFrame) -> None:
    assert list(residents) == [column.name for column in support.contract.columns]
    assert check_rows(residents, support.contract).breaches == []


def test_the_share_without_work_falls_from_year_to_year(residents: pd.DataFrame) -> None:
    by_year = residents.groupby(residents["contact_day"].dt.tz_convert(ZONE).dt.year)["without_work"]
    assert by_year.size().to_dict() == {2015: 44_393, 2016: 44_390, 2017: 44_514, 2018: 44_518}
    assert by_year.mean().round(3).to_dict() == {2015: 0.288, 2016: 0.281, 2017: 0.277, 2018: 0.271}


def test_the_survey_is_whole_and_only_those_asked_about_work_are_residents(
    source: ModuleType, survey: pd.DataFrame, residents: pd.DataFrame
) -> None:
    assert len(survey) == 277_677
    left_out = survey[~survey["resident"].isin(residents["resident"])]
    young_or_old = ~left_out["age"].between(16, 64)
    assert (young_or_old | left_out["RELP"].eq("16") | left_out["MIL"].eq("1")).all()
    told = left_out[left_out["MIL"].eq("1") | left_out["RELP"].eq("16")]
    assert told["without_work"].all()  # what the column says of them is no answer to the question


def test_a_household_has_one_reference_person_one_day_and_one_name(survey: pd.DataFrame) -> None:
    households = survey.groupby("household")
    assert (households["contact_day"].nunique() == 1).all()
    assert (households["year"].nunique() == 1).all()
    references = survey["RELP"].eq("0").groupby(survey["household"]).sum()
    alone = survey[survey["RELP"].isin(["16", "17"])]
    assert (references[alone["household"]] == 0).all()
    assert (households.size()[alone["household"]] == 1).all()
    assert (references.drop(alone["household"]) == 1).all()
    numbers = survey["resident"].str[1:].astype(int)
    together = numbers.groupby(survey["household"])
    assert (together.max() - together.min() + 1 == together.size()).all()  # neighbours in the file


def test_partners_know_each_others_age_and_nobody_elses(survey: pd.DataFrame) -> None:
    couple = survey[survey["partner_age"].notna()]
    assert set(couple["household_part"]) == {"reference_person", "partner"}
    sizes = couple.groupby("household")["AGEP"].agg(["size", "sum"])
    assert (sizes["size"] == 2).all()
    others = couple["household"].map(sizes["sum"]) - couple["AGEP"]
    assert (others == couple["partner_age"]).all()


def test_the_day_is_drawn_and_says_nothing_of_work(survey: pd.DataFrame, residents: pd.DataFrame) -> None:
    local = survey.drop_duplicates("household")["contact_day"].dt.tz_convert(ZONE)
    assert (local.dt.hour == 0).all()
    for year, days in ((2015, 365), (2016, 366), (2018, 365)):
        households = local[local.dt.year == year].dt.dayofyear.value_counts()
        assert len(households) == days
        mean = households.mean()
        # Pearson's statistic of equal days has mean days - 1 and variance 2 (days - 1).
        assert abs(((households - mean) ** 2 / mean).sum() - (days - 1)) < 4 * (2 * (days - 1)) ** 0.5
    asked = residents["contact_day"].dt.tz_convert(ZONE)
    cells = residents.groupby([asked.dt.year, asked.dt.month])["without_work"].agg(["size", "mean"])
    yearly = cells.groupby(level=0)["mean"].transform("mean")
    z: pd.Series = (cells["mean"] - yearly) / np.sqrt(yearly * (1 - yearly) / cells["size"])
    assert z.abs().max() < 4  # households rise and fall together: a little wider than 3 for 48 months


def test_every_label_is_known_fourteen_days_later(residents: pd.DataFrame) -> None:
    assert residents["without_work"].notna().all()
    assert (residents["interview_coded"] - residents["contact_day"] == timedelta(days=14)).all()


def test_two_windows_are_one(source: ModuleType) -> None:
    whole = source.fetch(day(2016, 3), day(2016, 4))
    parts = [source.fetch(day(2016, 3), day(2016, 3, 9)), source.fetch(day(2016, 3, 9), day(2016, 4))]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


def test_no_answer_about_work_is_known_before_it_is_coded(source: ModuleType) -> None:
    start, end, moment = day(2016, 3), day(2016, 4), day(2016, 4, 4)
    cut, whole = source.fetch(start, end, moment), source.fetch(start, end)
    coded = whole["interview_coded"] <= moment
    assert 0 < coded.sum() < len(whole)
    assert cut["without_work"].notna().equals(coded)
    answer = ["without_work", "interview_coded"]
    pd.testing.assert_frame_equal(cut.drop(columns=answer), whole.drop(columns=answer))


def test_another_process_says_the_same(residents: pd.DataFrame) -> None:
    script = (
        "from pathlib import Path; from datetime import datetime, UTC; import pandas as pd\n"
        "from tremplin.pilot_code import PilotCode\n"
        "rows = PilotCode('support', Path('pilots/support')).source.fetch(datetime(2015, 1, 1, 5, tzinfo=UTC), "
        "datetime(2019, 1, 1, 5, tzinfo=UTC))\n"
        "print(pd.util.hash_pandas_object(rows, index=False).sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) == int(pd.util.hash_pandas_object(residents, index=False).sum())


def test_what_may_not_be_seen_is_seen_by_no_model_and_no_caller(support: Pilot) -> None:
    contract = support.contract
    assert {column.name for column in contract.held_apart} == APART
    assert {column.name for column in contract.columns if column.classification == "special"} <= APART
    for seen in (contract.features, contract.request_columns, contract.training_columns):
        assert not APART & {column.name for column in seen}
    for column in contract.held_apart:
        assert column.purpose == "Audit of fairness"


def test_the_charter_is_a_high_risk_use_signed_by_roles_that_are_apart(support: Pilot) -> None:
    charter = support.charter
    assert charter.ai_act.risk_class == "high"
    assert charter.gdpr.personal_data
    for person in charter.people:
        assert not {"author", "approve"} <= set(person.may), f"{person.name} could approve their own model"
    officer = next(person for person in charter.people if person.role == "data protection officer")
    assert officer.may == ["halt"]  # independent: advises and stops, does not decide (GDPR, article 38)


@dataclass(frozen=True)
class Slice:
    """The stages and the gate on five months of 2015."""

    paths: Paths
    verdict: Verdict


@pytest.fixture(scope="module")
def slice_(tmp_path_factory: pytest.TempPathFactory) -> Slice:
    root = tmp_path_factory.mktemp("support")
    shutil.copytree(CHECKOUT / "pilots" / "support", root / "pilots" / "support")
    path = root / "pilots" / "support" / "pilot.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    content["data"] |= {"window_days": 153, "evaluation_days": 56, "minimum_rows": 5000}
    content["gate"]["bootstrap_samples"] = 200
    content["gate"]["coverage"]["minimum_rows"] = 100
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    pilot, paths, as_of = load_pilot("support", root), Paths(root, "support"), day(2015, 7)
    ingest(pilot, paths, as_of)
    for stage in (understanding, preparation, modeling, evaluation):
        stage.stage(pilot, paths)
    settings = load_settings(root=root)
    return Slice(paths, gate(pilot, paths, champion=None, as_of=as_of, settings=settings, remade=made_again))


@pytest.mark.slow
def test_a_slice_goes_from_the_source_through_the_gate(slice_: Slice) -> None:
    assert [f"{check.id}: {check.evidence}" for check in slice_.verdict.checks if not check.passed] == []


@pytest.mark.slow
def test_origin_and_disability_are_in_no_file_but_the_snapshot_and_the_audit(slice_: Slice) -> None:
    paths = slice_.paths
    assert set(pd.read_parquet(paths.audit)) == {"resident", *APART}
    tables = [
        paths.prepared / "train.parquet",
        paths.prepared / "evaluation.parquet",
        paths.model / "reference.parquet",
        paths.reports / "evaluation.parquet",
    ]
    for table in tables:
        assert not APART & set(pd.read_parquet(table)), table
    profile = (paths.model / "profile.json").read_text("utf-8")
    assert not [name for name in APART if f'"{name}"' in profile]


@pytest.mark.slow
def test_no_household_is_on_both_sides_of_the_cut(slice_: Slice) -> None:
    train, later = (
        set(pd.read_parquet(slice_.paths.prepared / f"{part}.parquet")["household"])
        for part in ("train", "evaluation")
    )
    assert train
    assert later
    assert not train & later
