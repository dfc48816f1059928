"""Live answers by group, on real people of a census survey: a spoiled month is named, honest ones are quiet, nobody is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy.engine import Engine

from monitoring.decision import decide
from monitoring.evidence import FairnessEvidence, WindowEvidence, read_history
from monitoring.fairness import concerns, fairness, stretch, summary
from monitoring.page import write_page
from monitoring.report import monitor_window
from monitoring.windows import Window, months_between
from pipelines.auditing import protected_rows
from pipelines.replaying import record_outcomes, request_rows
from pipelines.stages import typed
from pipelines.withdrawal import NOBODY, Withdrawn
from tests.residents import AS_OF, make_residents
from tremplin.frame import model_columns, model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import Pilot
from tremplin.store import insert_once, predictions

NEXT_YEAR = datetime(2018, 1, 1, 5, tzinfo=UTC)
Source = Callable[[datetime, datetime], pd.DataFrame]


@dataclass(frozen=True)
class Live:
    """A model of 2016, and what it answers to the people of 2017."""

    pilot: Pilot
    everybody: pd.DataFrame  # every column of the contract, in order of time
    scores: np.ndarray

    @property
    def windows(self) -> list[Window]:
        first = self.everybody[self.pilot.contract.time].iloc[0].to_pydatetime()
        return months_between(first, NEXT_YEAR, self.pilot.file.data.timezone)

    def spoiled(self, months: list[Window], column: str, value: object, share: float) -> Live:
        """In those months, a share of one group is told that they have work."""
        times = self.everybody[self.pilot.contract.time]
        inside = (times >= months[0].start) & (times < months[-1].end) & (self.everybody[column] == value)
        hit = inside.to_numpy() & (np.random.default_rng(3).random(len(times)) < share)
        return replace(self, scores=np.where(hit, 0.05, self.scores))

    def answers(self, window: Window) -> pd.DataFrame:
        """As ``load_window`` gives them: what was sent, answered, and known two weeks after the window."""
        contract, times = self.pilot.contract, self.everybody[self.pilot.contract.time]
        here = ((times >= window.start) & (times < window.end)).to_numpy()
        rows, scores = self.everybody[here], self.scores[here]
        known = rows[contract.label_time] <= window.end + timedelta(days=15)
        return rows[[c.name for c in contract.request_columns]].assign(
            score=scores,
            decision=self.pilot.charter.decisions(scores),
            label=rows[contract.target].astype("float64").where(known),
        )

    def measured(self, window: Window, people: Source | None = None) -> FairnessEvidence:
        source = people or partial(protected_rows, self.pilot, withdrawn=NOBODY)
        found = fairness(self.answers(stretch(self.pilot, window)), self.pilot, window, source)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    made = make_residents(tmp_path_factory.mktemp("people"))
    pilot = made.pilot
    rows = typed(pilot.source.fetch(AS_OF + timedelta(hours=5), NEXT_YEAR), pilot.contract)
    model = OnnxModel(made.paths.model / "model.onnx", pilot.contract)
    return Live(pilot, rows, model.score(model_columns(model_frame(rows, pilot.contract))))


def as_evidence(
    live: Live, window: Window, found: FairnessEvidence, honest: WindowEvidence
) -> WindowEvidence:
    return honest.model_copy(update={"window": window.name, "end": window.end, "fairness": found})


def test_honest_months_are_quiet(live: Live) -> None:
    alarms = [window.name for window in live.windows if any(g.proven for g in live.measured(window).gaps)]
    assert len(live.windows) == 12
    assert alarms == []


def test_a_month_in_which_women_were_spoiled_is_named(live: Live, story: WindowEvidence) -> None:
    may = live.windows[4]
    found = live.spoiled([may], "sex", "female", 0.5).measured(may)
    said, advice = concerns(as_evidence(live, may, found, story), live.pilot.file)
    gap = next(g for g in found.gaps if (g.group, g.measure) == ("female", "true_positive_rate"))
    assert gap.over == "2017-05"
    assert gap.high < -0.15
    assert said.startswith("2017-05: true positive rate by sex is beyond the charter's limit of 0.15: ")
    assert (
        f"sex=female {gap.own:.3f}, {-gap.value:.3f} below everyone else (at least {-gap.high:.3f} with"
        in said
    )
    assert "who may halt (product owner, data protection officer, head of casework)" in advice
    assert {g.column for g in found.gaps if g.proven} == {"sex"}  # and nobody else is accused


def test_it_is_watched_and_never_retrains(live: Live, story: WindowEvidence) -> None:
    months = live.windows[:4]
    spoiled = live.spoiled(months, "sex", "female", 1.0)
    history = [as_evidence(live, month, spoiled.measured(month), story) for month in months]
    decision = decide(history, live.pilot.file, as_of=AS_OF + timedelta(days=300), retrainings=[])
    assert decision.action == "watch"
    assert sum("by sex is beyond" in reason for reason in decision.reasons) == 1  # of the last window
    quiet = as_evidence(live, months[0], live.measured(months[0]), story)
    assert (
        decide([quiet], live.pilot.file, as_of=AS_OF + timedelta(days=300), retrainings=[]).action == "wait"
    )


def test_a_group_too_small_for_a_month_is_judged_over_the_stretch(live: Live) -> None:
    months = live.windows[3:6]
    judged = {(gap.column, gap.group): gap.over for gap in live.measured(months[-1]).gaps if gap.limit}
    assert judged[("sex", "female")] == "2017-06"
    assert judged[("origin", "black")] == "2017-04-01 to the end of 2017-06"
    found = live.spoiled(months, "origin", "black", 1.0).measured(months[-1])
    proven = {gap.group: gap.value for gap in found.gaps if gap.proven}
    assert proven["black"] < 0
    assert set(proven) <= {"black", "white"}  # most of everyone else that white is compared with are black


def test_the_measures_are_those_of_the_rows(live: Live) -> None:
    march = live.windows[2]
    rows = live.answers(march).join(live.everybody[["disability"]])
    found = {
        gap.measure: gap
        for gap in live.measured(march).gaps
        if (gap.column, gap.group) == ("disability", "yes")
    }
    here, rest = rows[rows["disability"].astype(bool)], rows[~rows["disability"].astype(bool)]
    assert found["selection_rate"].own == pytest.approx(here["decision"].mean(), abs=6e-4)
    assert found["selection_rate"].value == pytest.approx(
        here["decision"].mean() - rest["decision"].mean(), abs=6e-4
    )
    missed = [part.loc[part["label"] == 1, "decision"].mean() for part in (here, rest)]
    assert found["true_positive_rate"].value == pytest.approx(missed[0] - missed[1], abs=6e-4)


def test_only_large_groups_leave_and_their_counts_are_rounded(live: Live) -> None:
    found, base = live.measured(live.windows[5]), live.pilot.file.gate.smallest_group
    assert found.gaps
    assert all(gap.rows >= found.minimum_rows and gap.rows % base == 0 for gap in found.gaps)
    assert "origin=pacific_islander" not in " ".join(found.small)  # a handful of people
    assert "origin=american_indian_or_alaska_native" in found.small
    assert not re.search(r"R\d{6}|H[0-9a-f]{16}", found.model_dump_json())


def test_who_withdrew_is_left_out_whatever_they_were_answered(live: Live) -> None:
    window = live.windows[1]
    rows = live.answers(stretch(live.pilot, window))
    women = live.everybody.loc[rows.index, "sex"] == "female"
    gone = Withdrawn(frozenset(rows.loc[women, "resident"]))
    found = live.measured(window, partial(protected_rows, live.pilot, withdrawn=gone))
    assert (found.answers, found.joined) == (len(rows), int((~women).sum()))
    assert not any(gap.column == "sex" for gap in found.gaps)  # men alone: there is nobody else
    houses = Withdrawn(frozenset(rows["household"]))
    assert live.measured(window, partial(protected_rows, live.pilot, withdrawn=houses)).why_not is not None


def test_the_source_is_asked_for_the_days_that_were_answered_and_gives_the_protected_columns_alone(
    live: Live,
) -> None:
    window = live.windows[2]
    known = protected_rows(live.pilot, window.start, window.end, withdrawn=NOBODY)
    assert list(known) == ["resident", "age", "sex", "origin", "disability", "foreign_born"]
    asked = []

    def people(start: datetime, end: datetime) -> pd.DataFrame:
        asked.append((start, end))
        return protected_rows(live.pilot, start, end, withdrawn=NOBODY)

    live.measured(window, people)
    assert asked[0][0] >= stretch(live.pilot, window).start
    assert asked[0][1] <= window.end


def with_source(live: Live, fetch: Source) -> Source:
    """The protected columns of a pilot whose source is another one."""

    class Changed(Pilot):
        @property
        def source(self) -> object:  # type: ignore[override]
            return type("Source", (), {"fetch": staticmethod(fetch)})

    pilot = live.pilot
    return partial(
        protected_rows, Changed(pilot.name, pilot.folder, pilot.file, pilot.contract), withdrawn=NOBODY
    )


def away(_start: datetime, _end: datetime) -> pd.DataFrame:
    raise ConnectionError("no route to the register")


def talkative(_start: datetime, _end: datetime) -> pd.DataFrame:
    raise ValueError("R001673 is of origin black")


@pytest.mark.parametrize(("fetch", "said"), [(away, "does not answer"), (talkative, "the source failed")])
def test_what_nobody_could_look_at_is_said_and_watched(
    live: Live, story: WindowEvidence, fetch: Source, said: str
) -> None:
    window = live.windows[2]
    found = live.measured(window, with_source(live, fetch))
    assert said in (found.why_not or "")
    assert "R001673" not in found.model_dump_json()
    evidence = as_evidence(live, window, found, story)
    decision = decide([evidence], live.pilot.file, as_of=evidence.as_of, retrainings=[])
    assert decision.action == "watch"
    assert "fairness was not judged" in " ".join(decision.reasons)


def test_a_source_that_changed_shows_no_value_of_it(live: Live) -> None:
    window = live.windows[2]
    real = live.pilot.source.fetch
    found = live.measured(
        window, with_source(live, lambda start, end: real(start, end).drop(columns="origin"))
    )
    assert "origin (column missing)" in (found.why_not or "")

    def misspelt(start: datetime, end: datetime) -> pd.DataFrame:
        rows: pd.DataFrame = real(start, end)
        return rows.assign(origin=rows["origin"].where(rows["sex"] == "male", "Welsh"))

    half = live.measured(window, with_source(live, misspelt))
    assert 0.4 < half.joined / half.answers < 0.6
    assert "Welsh" not in half.model_dump_json()


def test_a_few_days_of_answers_are_not_judged(live: Live) -> None:
    first = live.windows[0]
    week = replace(
        live, everybody=live.everybody[live.everybody["contact_day"] < first.start + timedelta(days=5)]
    )
    found = replace(week, scores=live.scores[: len(week.everybody)]).measured(first)
    assert found.gaps == []
    assert "no group that the charter limits is large enough" in summary(found)


def test_a_pilot_without_protected_columns_asks_nobody(pilot: Pilot) -> None:
    def people(_start: datetime, _end: datetime) -> pd.DataFrame:
        raise AssertionError

    window = months_between(AS_OF, NEXT_YEAR, "UTC")[0]
    assert fairness(pd.DataFrame(), pilot, window, people) is None


@pytest.fixture(scope="module")
def story(live: Live, tmp_path_factory: pytest.TempPathFactory) -> WindowEvidence:
    """An honest February, from the store to the evidence."""
    from tremplin.settings import load_settings
    from tremplin.store import open_store

    root = tmp_path_factory.mktemp("store")
    engine = open_store(load_settings(root=root))
    found = told(live, engine, root / "monitoring", live.windows[1])
    engine.dispose()
    return found


def told(live: Live, engine: Engine, folder: Path, window: Window) -> WindowEvidence:
    """Answer the people of a window over the store, and measure it."""
    pilot, contract = live.pilot, live.pilot.contract
    times = live.everybody[contract.time]
    here = ((times >= window.start) & (times < window.end)).to_numpy()
    rows, scores = live.everybody[here], live.scores[here]
    insert_once(
        engine,
        predictions,
        [
            {
                "prediction_id": row["resident"],
                "pilot": pilot.name,
                "release_id": "first",
                "cohort": "champion",
                "key": row["resident"],
                "subject": row["household"],
                "event_time": moment.to_pydatetime(),
                "received_at": moment.to_pydatetime(),
                "score": float(score),
                "decision": bool(score >= 0.25),
                "row": row,
            }
            for row, moment, score in zip(
                request_rows(rows, contract), rows[contract.time], scores, strict=True
            )
        ],
    )
    as_of = window.end + timedelta(days=15)
    record_outcomes(engine, pilot, rows, as_of)
    return monitor_window(
        engine,
        pilot,
        window,
        as_of=as_of,
        release_id="first",
        release_profile={
            "performance": {
                "roc_auc": {"value": 0.72, "low": 0.70, "high": 0.74},
                "brier": {"value": 0.16, "low": 0.15, "high": 0.17},
                "observed_expected": {"value": 1.0, "low": 0.95, "high": 1.05},
            }
        },
        reference=model_frame(live.everybody, contract),
        folder=folder,
        people=partial(protected_rows, pilot, withdrawn=NOBODY),
    )


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_from_the_store_to_the_page(live: Live, engine: Engine, tmp_path: Path) -> None:
    may = live.windows[4]
    folder = tmp_path / "monitoring"
    found = told(live.spoiled([may], "sex", "female", 0.5), engine, folder, may)
    assert read_history(folder) == [found]
    assert found.fairness is not None
    assert found.fairness.joined == found.fairness.answers == found.performance.rows
    decision = decide([found], live.pilot.file, as_of=found.as_of, retrainings=[])
    page = write_page(folder, found, decision).read_text("utf-8")
    assert page.startswith("# support 2017-05: watch")
    assert "\n## By group, 2017-05\n" in page
    assert re.search(r"\| sex \| female \| [\d,]+ \| true positive rate \| .* \| 0.15 \| beyond \|", page)
    for path in folder.iterdir():
        assert not re.search(r"\b(R\d{6}|H[0-9a-f]{16})\b", path.read_text("utf-8")), path.name
