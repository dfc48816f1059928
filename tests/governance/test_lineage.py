"""From an answer back to rows, code and person; every link that is broken is named."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from rich.console import Console

from governance.lineage import Link, trace
from governance.lineage.origins import code
from governance.lineage.run_files import read_lock
from tests.governance.served import CODE, GIT, LINKS, Served, detail
from tests.results import AS_OF
from tremplin.errors import TremplinError
from tremplin.journal import append, entries
from tremplin.live import BY_PERSON, STOPPED
from tremplin.release import make_keys
from tremplin.store import insert_once, journal, outcomes, predictions
from tremplin.tracking import tracking


def test_an_answer_is_followed_to_its_rows_code_and_person(original: Served) -> None:
    found = original.trace()
    assert [link.name for link in found.links] == LINKS
    assert found.unbroken
    assert [link.verified for link in found.links] == [True] * 11 + [None]
    values = {link.name: link.value for link in found.links}
    manifest = original.release.manifest
    assert values["data"] == manifest.data_hash
    assert not manifest.dirty
    told = detail(found, "data")
    assert "rows from 2013-05-01 to 2013-07-01, read from" in told
    assert values["commit"] == manifest.commit
    assert values["approval"] == "Camille Laurent, product owner (stand-in of the demo)"
    assert values["outcome"] == "not known"


def test_the_outcome_is_told_once_it_is_known(served: Served) -> None:
    with served.engine.connect() as connection:
        key = connection.scalars(sa.select(predictions.c.key)).one()
    row = {"pilot": "flights", "key": key, "label": 1.0, "known_at": AS_OF + timedelta(days=1)}
    insert_once(served.engine, outcomes, [row])
    outcome = served.trace().links[-1]
    assert outcome.value == "1"
    assert "2013-07-02" in outcome.detail


def test_the_table_names_what_is_broken(served: Served) -> None:
    edit_score(served)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(served.trace().table())
    assert "BROKEN" in console.export_text()


def test_an_unknown_answer_is_said(original: Served) -> None:
    with pytest.raises(TremplinError, match="The store has no prediction 'p2'"):
        trace(original.settings, original.engine, "p2")


def edit_score(served: Served) -> None:
    with served.engine.begin() as connection:
        connection.execute(sa.update(predictions).values(score=0.0123, decision=False))


def edit_decision(served: Served) -> None:
    with served.engine.begin() as connection:
        connection.execute(sa.update(predictions).values(decision=~predictions.c.decision))


def edit_row(served: Served) -> None:
    with served.engine.begin() as connection:
        row = connection.execute(sa.select(predictions.c.row)).scalar_one()
        connection.execute(sa.update(predictions).values(row={**row, "recent_delay": 900.0, "overdue": 150}))


def edit_release(served: Served) -> None:
    (served.settings.releases / served.release.id / "card.md").write_text("better")


def sign_elsewhere(served: Served) -> None:
    for path in (served.settings.signing_key, served.settings.release_public_key):
        path.unlink()
    make_keys(served.settings.signing_key, served.settings.release_public_key)


def lose_release(served: Served) -> None:
    shutil.rmtree(served.settings.releases / served.release.id)


def edit_tag(name: str) -> Callable[[Served], None]:
    def edit(served: Served) -> None:
        tracking(served.settings).set_tag(served.release.manifest.mlflow_run, f"tremplin.{name}", "another")

    return edit


def edit_approval(served: Served) -> None:
    with served.engine.begin() as connection:
        connection.execute(sa.update(journal).where(journal.c.kind == "approval").values(by="Noor Haddad"))


def edit_another_entry(served: Served) -> None:
    with served.engine.begin() as connection:
        connection.execute(sa.update(journal).where(journal.c.kind == "verdict").values(by="somebody"))


def lose_approval(served: Served) -> None:
    with served.engine.begin() as connection:
        connection.execute(sa.delete(journal).where(journal.c.kind == "approval"))


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (edit_score, ["prediction"]),
        (edit_decision, ["prediction"]),
        (edit_row, ["prediction"]),
        (edit_release, ["release"]),
        (sign_elsewhere, ["release"]),
        (lose_release, ["release"]),
        (edit_tag("model"), ["MLflow run"]),
        (edit_tag("commit"), ["commit"]),
        (edit_tag("data"), ["data"]),
        (edit_tag("data_md5"), ["data"]),
        (edit_tag("snapshot_facts"), ["data"]),
        (edit_tag("pilot_file"), ["charter"]),
        (edit_tag("contract"), ["contract"]),
        (edit_approval, ["approval"]),
        (edit_another_entry, ["approval"]),
        (lose_approval, ["approval"]),
    ],
)
def test_a_broken_link_is_named(served: Served, spoil: Callable[[Served], None], broken: list[str]) -> None:
    assert served.trace().unbroken
    spoil(served)
    found = served.trace()
    assert found.broken == broken
    assert not found.unbroken


@pytest.mark.parametrize(
    ("values", "whole"),
    [
        ({}, True),
        ({"decision": True}, False),  # the charter's rule leaves it to a person
        ({"score": 0.4}, False),
        ({"excluded": "nobody said why"}, False),
    ],
)
def test_an_answer_given_while_the_model_was_stopped_is_the_fallback_rules(
    served: Served, values: dict[str, object], *, whole: bool
) -> None:
    told = {"cohort": STOPPED, "score": None, "decision": None, "excluded": f"{BY_PERSON}complaints"}
    with served.engine.begin() as connection:
        connection.execute(sa.update(predictions).values(**told | values))
    found = served.trace()
    assert (found.broken == []) is whole
    assert "the model was stopped: the fallback rule" in detail(found, "prediction")


def enrolment(served: Served, options: str) -> None:
    """Rewrite the line of who approved."""
    path = served.settings.allowed_signers
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("camille")]
    key = served.settings.allowed_signers.with_name("camille.pub").read_text("utf-8").strip()
    path.write_text("\n".join([*lines, f"camille.laurent@airline.example {options} {key}", ""]), "utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('valid-before="20240101Z"', "ended on 2024-01-01"),  # before the approval was written down
        ('valid-before="21500101Z"', None),  # a key that is taken out of use later
        ('namespaces="git"', "enrolled for git, not for tremplin"),
        ("", None),
    ],
)
def test_an_approval_counts_if_its_signer_was_enrolled_when_it_was_written(
    served: Served, options: str, said: str | None
) -> None:
    enrolment(served, options)
    found = served.trace()
    assert found.broken == (["approval"] if said else [])
    assert (said or "signed by a key of camille.laurent@airline.example") in detail(found, "approval")


def test_an_approval_signed_by_a_key_that_nobody_enrolled_is_broken(served: Served) -> None:
    served.settings.allowed_signers.unlink()
    found = served.trace()
    assert found.broken == ["approval"]
    assert "Nobody enrolled the key" in detail(found, "approval")


def test_a_release_made_after_its_approval_expired_is_named(served: Served) -> None:
    [made] = entries(served.engine, kind="release")
    for days, broken in ((29, []), (30, ["approval"])):
        late = AS_OF + timedelta(days=days)
        append(
            served.engine,
            "release",
            identity=f"made again, {days}",
            pilot="flights",
            by=made.by,
            as_of=late,
            facts=made.facts,
        )
        assert served.trace().broken == broken


@pytest.mark.parametrize(
    ("find", "broken"),
    [
        (lambda served: served.artifacts / "dvc.lock", "lock"),
        (lambda served: served.artifacts / "gate" / "verdict.json", "gate verdict"),
        (lambda served: served.logged_model, "MLflow run"),
        (lambda served: served.artifacts / "contract.yaml", "contract"),
        (lambda served: served.artifacts / "pilot.yaml", "charter"),
        (lambda served: served.artifacts / "reports" / "4-modeling.json", "reports"),
        (lambda served: served.artifacts / "reports" / "5-evaluation.json", "reports"),
        (lambda served: served.artifacts / "data" / "snapshot.json", "data"),
    ],
    ids=["lock", "verdict", "model", "contract", "charter", "modeling", "evaluation", "snapshot.json"],
)
def test_a_file_of_the_run_that_was_changed_or_lost_is_named(
    original: Served, find: Callable[[Served], Path], broken: str
) -> None:
    path = find(original)
    before = path.read_bytes()
    others = [b"{broken", b"{}", b"[]", b"stages: 5", b"stages: {modeling@flights: 2024-01-01}", b"\xff", b""]
    try:
        for content in (before.replace(b"5", b"6"), before + b"\n", *others, None):
            path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
            if path.name in ("dvc.lock", "verdict.json") and content == before + b"\n":
                continue  # both are named by what they say: another end of the line is the same
            assert original.trace().broken == [broken], content
    finally:
        path.write_bytes(before)
    assert original.trace().unbroken


def test_a_report_that_no_stage_made_is_named(original: Served) -> None:
    path = original.artifacts / "reports" / "6-audit.json"
    try:
        path.write_text("{}")
        found = original.trace()
    finally:
        path.unlink()
    assert found.broken == ["reports"]
    assert "6-audit.json" in detail(found, "reports")


def test_without_the_lock_nothing_is_said_of_what_it_names(original: Served) -> None:
    path = original.artifacts / "dvc.lock"
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(b"5", b"6"))
        said = {link.name: link.verified for link in original.trace().links}
    finally:
        path.write_bytes(before)
    assert said["lock"] is False
    assert [said[name] for name in ("commit", "data", "contract", "reports")] == [None] * 4


def test_rows_that_dvc_keeps_otherwise_are_broken_and_rows_it_lost_are_not_verified(original: Served) -> None:
    path = original.rows
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"\0")
        assert original.trace().broken == ["data"]
        path.unlink()
        found = original.trace()
    finally:
        path.write_bytes(before)
    assert found.unbroken
    assert next(link.verified for link in found.links if link.name == "data") is None
    assert "not in DVC's cache" in detail(found, "data")


def test_a_commit_is_believed_only_where_git_has_it(original: Served) -> None:
    repository = original.result.root / ".git"
    repository.rename(repository.with_name("elsewhere"))
    try:
        found = original.trace()
    finally:
        repository.with_name("elsewhere").rename(repository)
    said = {link.name: link.verified for link in found.links}
    assert (said["commit"], said["charter"]) == (None, True)
    assert "git does not have this commit here" in detail(found, "commit")


@pytest.fixture
def after_an_edit(original: Served) -> Iterator[Callable[[bool], Link]]:
    """The link of a later commit, in which the code that the lock names is another; the result was dirty or not."""
    root = original.result.root
    lock = read_lock((root / "dvc.lock").read_bytes(), "flights")
    assert lock
    before = (root / CODE[1]).read_bytes()
    (root / CODE[1]).write_bytes(before + b"# later\n")
    subprocess.run([*GIT, "commit", "--quiet", "--all", "--message", "Later"], cwd=root, check=True)
    later = subprocess.run([*GIT, "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True)
    (root / CODE[1]).write_bytes(before)

    def link(dirty: bool) -> Link:
        commit = later.stdout.strip()
        manifest = original.release.manifest.model_copy(update={"commit": commit, "dirty": dirty})
        tags = {"tremplin.commit": commit, "tremplin.dirty": str(dirty).lower()}
        return code(root, manifest, tags, lock)

    yield link
    subprocess.run([*GIT, "reset", "--quiet", "HEAD~1"], cwd=root, check=True)


def test_code_that_is_not_the_commits_breaks_a_clean_result_and_is_named_of_a_dirty_one(
    after_an_edit: Callable[[bool], Link],
) -> None:
    clean, dirty = after_an_edit(False), after_an_edit(True)
    assert (clean.verified, dirty.verified) == (False, None)
    assert CODE[1] in clean.detail
    assert dirty.detail == f"dirty, not the commit's: {CODE[1]}"


def test_a_run_that_mlflow_lost_is_named(served: Served, empty_mlflow: Path) -> None:
    shutil.copy(empty_mlflow, served.settings.home / "mlflow.db")
    found = served.trace()
    assert found.broken == ["MLflow run"]
    assert [link.name for link in found.links] == [
        "prediction",
        "release",
        "MLflow run",
        "approval",
        "outcome",
    ]


def test_the_card_says_what_the_files_say(original: Served) -> None:
    card = (original.release.path / "card.md").read_text("utf-8")
    evaluation = json.loads(original.result.paths.report(5, "evaluation").read_text("utf-8"))
    charter, contract = original.result.pilot.charter, original.result.pilot.contract
    assert f"# {charter.title}: version 1" in card
    assert "approved by Camille Laurent, product owner (a stand-in of the demo" in card
    assert f"| roc_auc | {evaluation['roc_auc']['value']:.4g} [" in card
    assert contract.description.limitations.strip() in card
    assert charter.ai_act.rationale in card
    assert "| parity |" in card
    assert all(feature.name in card for feature in contract.features)


@pytest.mark.parametrize(
    ("column", "value"),
    [("key", "XX1"), ("subject", "XX@EWR"), ("event_time", AS_OF + timedelta(days=99)), ("score", 0.999)],
)
def test_an_answer_given_to_another_event_or_person_is_broken(
    served: Served, column: str, value: object
) -> None:
    with served.engine.begin() as connection:
        connection.execute(predictions.update().values({column: value}))
    found = served.trace()
    assert "prediction" in found.broken
    assert column in next(link.detail for link in found.links if link.name == "prediction")


def test_a_row_that_got_no_answer_is_traced_to_the_reason(served: Served) -> None:
    query = sa.select(predictions.c.row)
    with served.engine.begin() as connection:
        row = connection.execute(query).scalar_one() | {"carrier": "ZZ"}
        reason = "carrier ZZ: 0 rows of evaluation, 40 needed"
        left_out = {"score": None, "decision": None, "excluded": reason, "row": row}
        connection.execute(predictions.update().values(left_out))
    link = next(link for link in served.trace().links if link.name == "prediction")
    assert link.verified
    assert reason in link.value
    with served.engine.begin() as connection:
        connection.execute(predictions.update().values(row=row | {"carrier": "UA"}))
    link = next(link for link in served.trace().links if link.name == "prediction")
    assert link.verified is False
    assert "excluded" in link.detail
