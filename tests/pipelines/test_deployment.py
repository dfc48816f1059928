"""A release is exactly what was judged and approved, or it is not made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from governance.approvals import approve
from pipelines.deployment import make_release
from pipelines.gate import gate
from pipelines.recording import Recorded
from pipelines.verdict import Verdict, facts, verdict_hash
from tests.people import People
from tests.results import AS_OF, Result, made_again
from tremplin import journal, live
from tremplin.errors import TremplinError
from tremplin.journal import Entry
from tremplin.lock import result_hash
from tremplin.release import Release, make_keys, open_release, sha256
from tremplin.store import open_store


class Approved:
    """A result that was judged and approved, ready to be released."""

    def __init__(self, result: Result, verdict: Verdict, people: People) -> None:
        self.result, self.verdict, self.people = result, verdict, people
        self.settings = result.settings
        self.engine: Engine = open_store(self.settings)
        self.recorded = Recorded(
            pilot="flights", run_id="1" * 32, model_version=1, result_hash=result_hash(result.root, "flights"),
            commit="c" * 40, dirty=False, data_hash=sha256(result.paths.snapshot), contract_hash=result.pilot.contract_hash,
            model_hash=sha256(result.paths.model / "model.onnx"), verdict=None, verdict_hash=None, created=True,
        )  # fmt: skip
        self.approval = self.approve()

    def approve(self, **changed: str) -> Entry:
        given = {
            "lock_hash": self.recorded.result_hash,
            "verdict_hash": verdict_hash(self.verdict),
            "model_hash": self.recorded.model_hash,
        }
        return approve(
            self.engine, self.result.pilot, version=1, by=self.people.signatory("Camille Laurent"), authors=(), as_of=AS_OF,
            commit=self.recorded.commit, verdict=facts(self.verdict), stand_in=True, **{**given, **changed},
        )  # fmt: skip

    def release(self, as_of: datetime = AS_OF) -> Release:
        return make_release(
            self.result.pilot, self.result.paths, self.settings, self.engine,
            recorded=self.recorded, verdict=self.verdict, approval=self.approval, as_of=as_of, card="# Card\n",
        )  # fmt: skip


@pytest.fixture(scope="module")
def verdict(honest_result: Result) -> Verdict:
    return gate(
        honest_result.pilot,
        honest_result.paths,
        champion=None,
        as_of=AS_OF,
        settings=honest_result.settings,
        remade=made_again,
    )


@pytest.fixture
def approved(honest_result: Result, verdict: Verdict, people: People, tmp_path: Path) -> Approved:
    return Approved(honest_result.copy(tmp_path / "copy"), verdict, people)


def test_the_release_holds_the_evaluated_bytes_and_says_who_answers(approved: Approved) -> None:
    made = approved.release()
    release = open_release(made.path, approved.settings.release_public_key, pilot="flights")
    model = ["model.onnx", "fast/booster.txt", "fast/encoding.json"]
    assert set(release.manifest.files) == {*model, "contract.yaml", "profile.json", "service.json", "card.md"}
    for name in model:
        assert (release.path / name).read_bytes() == (approved.result.paths.model / name).read_bytes()
    assert (release.path / "card.md").read_text("utf-8") == "# Card\n"
    manifest = release.manifest
    assert manifest.go_no_go.by == "Camille Laurent"
    assert manifest.go_no_go.role == "product owner"
    assert manifest.go_no_go.stand_in
    assert manifest.go_no_go.journal_hash == approved.approval.hash
    assert manifest.verdict_hash == manifest.go_no_go.verdict_hash == verdict_hash(approved.verdict)
    assert manifest.lock_hash == manifest.go_no_go.lock_hash == approved.recorded.result_hash
    assert manifest.go_no_go.model_hash == manifest.files["model.onnx"]
    assert manifest.decision_threshold == approved.result.pilot.charter.decision_threshold


def test_the_profile_says_what_later_windows_are_compared_with(approved: Approved) -> None:
    profile = json.loads((approved.release().path / "profile.json").read_text("utf-8"))
    evaluation = json.loads(approved.result.paths.report(5, "evaluation").read_text("utf-8"))
    for name in ("roc_auc", "brier", "observed_expected"):
        assert profile["performance"][name] == evaluation[name]
    assert profile["smoke"]["rows"]


def test_the_release_says_whom_it_may_answer_as_the_verdict_did(approved: Approved) -> None:
    profile = json.loads((approved.release().path / "profile.json").read_text("utf-8"))
    assert profile["coverage"] == facts(approved.verdict)["coverage"]
    assert [segment["columns"] for segment in profile["coverage"]] == [["origin"], ["carrier"]]


def test_releasing_twice_is_the_same_release(approved: Approved) -> None:
    first, second = approved.release(), approved.release()
    assert first.id == second.id
    assert [path.name for path in approved.settings.releases.iterdir()] == [first.id]
    written = journal.entries(approved.engine, kind="release")
    assert [entry.facts["release"] for entry in written] == [first.id]


def test_outside_development_code_that_was_no_commit_s_is_not_released(approved: Approved) -> None:
    """A verdict of development tolerates it, and the store may be the same."""
    make_keys(approved.settings.signing_key, approved.settings.release_public_key)
    approved.settings = approved.settings.model_copy(update={"environment": "production"})
    approved.recorded = replace(approved.recorded, dirty=True)
    with pytest.raises(TremplinError, match="made by code that differs from the commit cccccccccccc"):
        approved.release()
    approved.recorded = replace(approved.recorded, dirty=False)
    assert approved.release().manifest.commit == "c" * 40


def exchange_model(approved: Approved) -> None:
    (approved.result.paths.model / "model.onnx").write_bytes(b"another model")


def exchange_profile(approved: Approved) -> None:
    (approved.result.paths.model / "profile.json").write_text("{}")


def edit_report(approved: Approved) -> None:
    path = approved.result.paths.report(5, "evaluation")
    path.write_text(path.read_text("utf-8").replace("roc_auc", "roc_auc_of_my_dreams"), "utf-8")


def edit_contract(approved: Approved) -> None:
    path = approved.result.pilot.folder / "contract.yaml"
    path.write_text(path.read_text("utf-8") + "# one more line\n", "utf-8")


def move_threshold(approved: Approved) -> None:
    charter = approved.result.pilot.charter.model_dump()
    approved.result.edit(charter={"decision_threshold": charter["decision_threshold"] + 0.03})


def another_result(approved: Approved) -> None:
    lock = approved.result.root / "dvc.lock"
    lock.write_text(lock.read_text("utf-8").replace("python -m", "python3 -m"), "utf-8")


def another_verdict(approved: Approved) -> None:
    approved.verdict = approved.verdict.model_copy(update={"champion": "somebody"})


def another_version(approved: Approved) -> None:
    approved.recorded = replace(approved.recorded, model_version=2)


def another_champion(approved: Approved) -> None:
    live.change(approved.engine, "flights", live.Live(champion="meanwhile"), by="test", reason="test")


def forge_approval(approved: Approved) -> None:
    approved.approval = replace(approved.approval, by="Ines Moreau")


def approve_another_model(approved: Approved) -> None:
    draft = replace(approved.approval, facts={**approved.approval.facts, "model_hash": "0" * 64})
    approved.approval = replace(draft, hash=draft.expected_hash())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (exchange_model, "model.onnx: .* was approved, .* is there"),
        (exchange_profile, "models/flights is not what dvc.lock says"),
        (edit_report, "5-evaluation.json is not what dvc.lock says"),
        (edit_contract, "contract.yaml: .* was approved"),
        (move_threshold, "decision threshold: 0.33 was approved, 0.36 is there"),
        (another_result, "dvc.lock: .* was approved"),
        (another_verdict, "verdict: .* was approved"),
        (another_version, "version: 1 was approved, 2 is there"),
        (another_champion, "the champion is meanwhile, and the gate compared with None"),
        (forge_approval, "the approval is not an entry of the journal"),
        (approve_another_model, "the approval is not an entry of the journal"),
    ],
)
def test_what_differs_from_the_approval_is_not_released(
    approved: Approved, spoil: Callable[[Approved], None], said: str
) -> None:
    spoil(approved)
    with pytest.raises(TremplinError, match=said):
        approved.release()
    assert not approved.settings.releases.exists()
    assert journal.entries(approved.engine, kind="release") == []


def test_an_approval_that_expired_is_not_released(approved: Approved) -> None:
    days = timedelta(days=approved.result.pilot.file.gate.approval_days)
    with pytest.raises(
        TremplinError,
        match=r"Camille Laurent's approval of 2013-07-01 expired on 2013-07-31 .* ask for a new one",
    ):
        approved.release(AS_OF + days)
    assert not approved.settings.releases.exists()
    assert approved.release(AS_OF + days - timedelta(seconds=1)).path.exists()


def test_outside_development_a_key_is_given_and_never_made(approved: Approved) -> None:
    approved.settings = approved.settings.model_copy(update={"environment": "production"})
    with pytest.raises(TremplinError, match=r"signing key .* cannot be read: .* Set TREMPLIN_SIGNING_KEY"):
        approved.release()
    assert not approved.settings.signing_key.exists()
    make_keys(approved.settings.signing_key, approved.settings.release_public_key)
    assert open_release(approved.release().path, approved.settings.release_public_key)
