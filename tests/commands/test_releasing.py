"""``approve``, ``rollout``, ``status``, ``journal``, ``trace``: who may, and what is written."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest
import yaml

from governance.identity import read_signers, signature_problem
from tests.commands.conftest import Cli
from tests.people import STRANGER, People
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import AS_OF, copy_of, tremplin
from tremplin import journal, live
from tremplin.settings import load_settings
from tremplin.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]

OF = ("--pilot", "lamps")


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def camille(people: People) -> str:
    return str(people.key("Camille Laurent"))


def kinds(town: Town) -> list[str]:
    return [entry.kind for entry in journal.entries(open_store(load_settings(root=town.root)))]


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (STRANGER, "Nobody enrolled the key SHA256:"),
        (
            "Noor Haddad",
            "is an author of lamps and cannot approve their own model. Who may approve: Camille Laurent, Ines Moreau.",
        ),
    ],
)
def test_who_may_not_approve_is_told_why(
    lamp_run: Town, cli: Cli, people: People, by: str, said: str
) -> None:
    answer = cli(lamp_run.root, *OF, "approve", "1", "--key", str(people.key(by)), "--as-of", AS_OF)
    assert answer.code == 1
    assert said in answer.err
    assert kinds(lamp_run) == ["verdict"]


def test_nobody_approves_as_of_a_time_to_come(lamp_run: Town, cli: Cli, people: People) -> None:
    answer = cli(lamp_run.root, *OF, "approve", "1", "--key", camille(people), "--as-of", "2150-01-01")
    assert answer.code == 1
    assert "--as-of 2150-01-01 has not come yet" in answer.err
    assert kinds(lamp_run) == ["verdict"]


def test_a_card_is_of_the_rows_that_were_trained_on(
    lamp_run: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    """A newer ingestion leaves its facts beside rows that were checked out again."""
    town = copy_of(lamp_run, tmp_path / "newer")
    facts = town.root / "data" / "lamps" / "snapshot.json"
    said = json.loads(facts.read_text("utf-8"))
    facts.write_text(json.dumps(said | {"sha256": "0" * 64, "rows": 7}), "utf-8")
    answer = cli(town.root, *OF, "approve", "1", "--key", camille(people), "--as-of", AS_OF)
    assert answer.code == 1
    assert "snapshot.json is about other rows than snapshot.parquet beside it" in answer.err
    assert "release" not in kinds(town)


def test_what_is_live_is_not_approved_a_second_time(released: Town, cli: Cli, people: People) -> None:
    """Once its approval has expired: it would become the challenger of itself."""
    words = ("approve", "1", "--key", camille(people))
    before = kinds(released)
    late = cli(released.root, *OF, *words)
    assert late.code == 1
    assert "Version 1 of lamps is live already, as release" in late.err
    assert cli(released.root, *OF, *words, "--as-of", AS_OF).code == 0, "the same again completes it"
    assert kinds(released) == before


def test_a_version_that_is_not_there_is_named(lamp_run: Town, cli: Cli, people: People) -> None:
    answer = cli(lamp_run.root, *OF, "approve", "7", "--key", camille(people), "--as-of", AS_OF)
    assert answer.code == 1
    assert "no version 7" in answer.err


def test_outside_development_nobody_approves_what_git_does_not_know(
    lamp_run: Town, cli: Cli, people: People
) -> None:
    words = ("approve", "1", "--key", camille(people), "--as-of", AS_OF)
    answer = cli(lamp_run.root, *OF, *words, TREMPLIN_ENVIRONMENT="production")
    assert answer.code == 1
    assert (
        "Version 1 of lamps is approved by nobody outside development: git must know its code" in answer.err
    )
    assert kinds(lamp_run) == ["verdict"]


def test_a_right_of_the_working_copy_is_none(
    lamp_run: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    """The version was made without git, so that the newest commit says who may."""
    town = copy_of(lamp_run, tmp_path / "in git")
    git(town.root, "init", "-q")
    git(town.root, "commit", "-q", "--allow-empty", "-m", "without the pilot")
    words = ("--as-of", AS_OF)
    alone = cli(town.root, *OF, "approve", "1", "--key", camille(people), *words)
    assert (alone.code, "pilots/lamps/pilot.yaml is not in commit" in alone.err) == (1, True)
    file = town.csv.with_name("pilot.yaml")
    given = file.read_text("utf-8")
    content = yaml.safe_load(given)
    next(person for person in content["charter"]["people"] if person["name"] == "Ines Moreau")["may"] = [
        "halt"
    ]
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    git(town.root, "add", "pilots")
    git(town.root, "commit", "-qm", "the pilot")
    file.write_text(given, "utf-8")
    refused = cli(town.root, *OF, "approve", "1", "--key", str(people.key("Ines Moreau")), *words)
    assert refused.code == 1
    assert "may not approve lamps (in commit " in refused.err
    assert kinds(town) == ["verdict"]
    assert cli(town.root, *OF, "approve", "1", "--key", camille(people), *words).code == 0
    resume = cli(
        town.root, *OF, "rollout", "resume", "--key", str(people.key("Ines Moreau")), "--reason", "why not"
    )
    assert (resume.code, "may not approve lamps (in commit " in resume.err) == (1, True)


def test_before_anything_is_live_the_commands_say_what_to_do(
    lamp_run: Town, cli: Cli, people: People
) -> None:
    assert (
        "no release is live. `tremplin run`, then `tremplin approve`" in cli(lamp_run.root, *OF, "status").out
    )
    status = json.loads(cli(lamp_run.root, *OF, "status", "--json").out)
    assert (status["live"], status["predictions"], status["journal"]) == (None, 0, 1)
    for words in (
        ("next",),
        ("rollback", "--key", str(people.key("Ines Moreau")), "--reason", "a test"),
    ):
        answer = cli(lamp_run.root, *OF, "rollout", *words)
        assert answer.code == 1
        assert "Nothing of lamps is live yet" in answer.err


def test_the_first_approval_goes_live(released: Town, cli: Cli) -> None:
    settings = load_settings(root=released.root)
    assert kinds(released) == ["verdict", "approval", "release", "go-live"]
    known = live.current(open_store(settings), "lamps")
    assert known is not None
    assert [path.name for path in settings.releases.iterdir()] == [known[1].champion]
    status = json.loads(cli(released.root, *OF, "status", "--json").out)
    assert status["live"]["champion"] == known[1].champion
    assert status["last"] == {
        "kind": "go-live",
        "as_of": "2024-05-01 00:00:00+00:00",
        "by": "Camille Laurent",
    }
    assert f"champion {known[1].champion}" in cli(released.root, *OF, "status").out


def test_the_same_approval_again_changes_nothing(released: Town, cli: Cli, people: People) -> None:
    answer = cli(
        released.root, *OF, "approve", "1", "--key", camille(people), "--as-of", "2024-05-09", "--json"
    )
    assert answer.code == 0, answer.err
    assert (
        json.loads(answer.out)["release"] == next(load_settings(root=released.root).releases.iterdir()).name
    )
    assert kinds(released) == ["verdict", "approval", "release", "go-live"]


def test_a_run_after_the_release_has_nothing_to_do(released: Town, cli: Cli) -> None:
    assert "nothing changed since" in cli(released.root, *OF, "run").out


def test_a_blocked_version_is_approved_by_nobody(
    released: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    town = copy_of(released, tmp_path / "blocked")
    file = town.csv.with_name("pilot.yaml")
    content = yaml.safe_load(file.read_text("utf-8"))
    content["model"]["candidates"] = {"boosted": {"trees": 1}}  # as good as the baseline
    content["gate"]["baseline_margin"] = 0.5
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    run = tremplin(town.root, *OF, "run", "--as-of", AS_OF, "--json")
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout[run.stdout.index("{") :])
    assert (facts["version"], facts["passed"]) == (2, False)
    assert "baseline" in facts["blocked_by"]
    answer = cli(town.root, *OF, "approve", "2", "--key", camille(people), "--as-of", AS_OF)
    assert answer.code == 1
    assert "Version 2 of lamps was blocked by the gate" in answer.err
    assert kinds(town) == ["verdict", "approval", "release", "go-live", "verdict"]


def test_a_live_champion_that_is_judged_again_and_blocked_stays_live_until_a_person_acts(
    released: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    """A verdict decides what may go live. What answers is taken away by a person, who sees the block."""
    town = copy_of(released, tmp_path / "judged again")
    engine, as_of = open_store(load_settings(root=town.root)), ("--as-of", AS_OF)
    before = live.current(engine, "lamps")
    assert before is not None
    file = town.csv.with_name("pilot.yaml")
    given = file.read_text("utf-8")
    content = yaml.safe_load(given)
    content["data"]["freshness_days"] = 1  # not in the lock: the same version is judged again
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    run = tremplin(town.root, *OF, "run", *as_of, "--json")
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout[run.stdout.index("{") :])
    assert (facts["version"], facts["passed"], facts["blocked_by"]) == (1, False, ["freshness"])
    assert facts["champion"] is None, "it does not meet itself"
    assert live.current(engine, "lamps") == before
    assert kinds(town) == ["verdict", "approval", "release", "go-live", "verdict"]
    refused = cli(town.root, *OF, "approve", "1", "--key", camille(people), *as_of)
    assert (refused.code, "Version 1 of lamps was blocked by the gate (freshness)" in refused.err) == (
        1,
        True,
    )
    assert live.current(engine, "lamps") == before
    verified = cli(town.root, *OF, "journal", "verify")
    assert (verified.code, verified.err) == (0, "")
    file.write_text(
        given, "utf-8"
    )  # the limit as it was: the gate is asked again, and nothing is released twice
    assert tremplin(town.root, *OF, "run", *as_of).returncode == 0
    assert cli(town.root, *OF, "approve", "1", "--key", camille(people), *as_of).code == 0
    assert live.current(engine, "lamps") == before
    assert "release" not in kinds(town)[5:]


@pytest.mark.parametrize("step", ["halt", "rollback"])
def test_who_may_not_stop_a_rollout_is_told_why(released: Town, cli: Cli, people: People, step: str) -> None:
    refused = {
        "Noor Haddad": "Noor Haddad (ML engineer) may not halt lamps. Who may: Camille Laurent, Ines Moreau.",
        STRANGER: "Nobody enrolled the key",
    }
    for by, said in refused.items():
        answer = cli(released.root, *OF, "rollout", step, "--key", str(people.key(by)), "--reason", "a test")
        assert answer.code == 1
        assert said in answer.err
    assert kinds(released)[-1] == "go-live"


def test_halt_takes_everybody_back_to_the_champion_and_writes_why(
    released: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    ines = ("--key", str(people.key("Ines Moreau")))
    town = copy_of(released, tmp_path / "rollout")
    engine = open_store(load_settings(root=town.root))
    known = live.current(engine, "lamps")
    assert known is not None
    champion = known[1].champion
    on_its_way = live.Live(champion=champion, challenger="f" * 16, share=0.5, rollout_key="k")
    live.change(engine, "lamps", on_its_way, by="test", reason="a challenger on its way")
    answer = cli(
        town.root,
        *OF,
        "rollout",
        "halt",
        *ines,
        "--reason",
        "too many calls",
        "--as-of",
        AS_OF,
    )
    assert answer.code == 0, answer.err
    halted = live.current(engine, "lamps")
    assert halted is not None
    assert (halted[1].share, halted[1].challenger, halted[1].halted) == (0, "f" * 16, True)
    waiting = tremplin(town.root, *OF, "rollout", "next")
    assert waiting.returncode == 1
    assert "stays halted (Ines Moreau halted it on 2024-05-01: too many calls)" in waiting.stderr
    assert "tremplin rollout resume" in waiting.stderr
    assert live.current(engine, "lamps") == halted
    assert f"challenger {'f' * 16} is halted" in cli(town.root, *OF, "status").out
    back = cli(
        town.root,
        *OF,
        "rollout",
        "rollback",
        *ines,
        "--reason",
        "worse",
        "--as-of",
        AS_OF,
        "--json",
    )
    assert json.loads(back.out)["challenger"] is None
    *_, halt, rollback = journal.entries(engine)
    assert [(e.kind, e.by, e.facts["reason"]) for e in (halt, rollback)] == [
        ("halt", "Ines Moreau", "too many calls"), ("rollback", "Ines Moreau", "worse"),
    ]  # fmt: skip
    signers = read_signers(people.signers)
    assert [signature_problem(e, signers) for e in (halt, rollback)] == [None, None]
    again = cli(town.root, *OF, "rollout", "rollback", *ines, "--reason", "worse", "--as-of", AS_OF)
    assert (again.code, "nothing: what was on its way was rolled back before" in again.out) == (0, True)
    assert len(journal.entries(engine)) == rollback.number, (
        "asked twice, the champion is not taken back as well"
    )
    named = cli(town.root, *OF, "rollout", "rollback", champion, *ines, "--reason", "worse", "--as-of", AS_OF)
    assert named.code == 1
    assert f"{champion} is the only release of lamps there was" in named.err


def test_a_champion_is_taken_back_by_its_name_only(released: Town, cli: Cli, people: People) -> None:
    answer = cli(
        released.root,
        *OF,
        "rollout",
        "rollback",
        "--key",
        camille(people),
        "--reason",
        "worse",
        "--as-of",
        AS_OF,
    )
    assert answer.code == 1
    assert "No challenger of lamps is on its way. To take back its champion, name it" in answer.err


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("Noor Haddad", "is an author of lamps and cannot approve their own model"),
        (
            "Ines Moreau",
            "Ines Moreau (head of operations control) may not approve lamps. Who may: Camille Laurent.",
        ),
        ("Camille Laurent", None),
    ],
)
def test_who_may_approve_lets_a_halted_rollout_begin_again(
    released: Town, cli: Cli, people: People, *, tmp_path: Path, by: str, said: str | None
) -> None:
    town = copy_of(released, tmp_path / "halted")
    file = town.csv.with_name("pilot.yaml")
    content = yaml.safe_load(file.read_text("utf-8"))
    ines = next(person for person in content["charter"]["people"] if person["name"] == "Ines Moreau")
    ines["may"] = ["halt"]  # as a data protection officer: stops, and does not decide
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    engine = open_store(load_settings(root=town.root))
    known = live.current(engine, "lamps")
    assert known is not None
    waiting = known[1].model_copy(update={"challenger": "f" * 16, "rollout_key": "k"})
    live.change(engine, "lamps", waiting, by="test", reason="a challenger on its way")
    halt = ("halt", "--key", str(people.key("Ines Moreau")), "--reason", "too many calls")
    assert cli(town.root, *OF, "rollout", *halt, "--as-of", AS_OF).code == 0
    resume = ("resume", "--key", str(people.key(by)), "--reason", "calls about something else")
    answer = cli(town.root, *OF, "rollout", *resume, "--as-of", AS_OF)
    now = live.current(engine, "lamps")
    assert now is not None
    assert now[1].halted is (said is not None)
    if said is not None:
        assert (answer.code, said in answer.err) == (1, True), answer.err
        return
    assert answer.code == 0, answer.err
    *_, entry = journal.entries(engine)
    assert (entry.kind, entry.by) == ("resumption", "Camille Laurent")
    assert signature_problem(entry, read_signers(people.signers)) is None


def test_without_a_challenger_there_is_nothing_to_do(released: Town) -> None:
    answer = tremplin(released.root, *OF, "rollout", "next")
    assert answer.returncode == 0, answer.stderr
    assert "nothing" in answer.stdout
    assert "is not on its way; the last step was the go-live of" in answer.stdout


@pytest.mark.parametrize("step", [("rollout", "next"), ("monitor", "2024-04")])
def test_no_step_is_taken_as_of_a_time_to_come(released: Town, step: tuple[str, ...]) -> None:
    answer = tremplin(released.root, *OF, *step, "--as-of", "2150-01-01")
    assert answer.returncode == 1
    assert "--as-of 2150-01-01 has not come yet" in answer.stderr


def test_the_journal_is_shown_and_verified(released: Town, cli: Cli) -> None:
    shown = cli(released.root, *OF, "journal", "show", "--kind", "approval").out
    assert "Camille Laurent" in shown
    assert "go-live" not in shown
    entries = json.loads(cli(released.root, *OF, "journal", "show", "--json").out)
    assert [entry["kind"] for entry in entries] == ["verdict", "approval", "release", "go-live"]
    assert "ok 4 entries" in cli(released.root, *OF, "journal", "verify").out
    assert json.loads(cli(released.root, *OF, "journal", "verify", "--json").out) == {
        "entries": 4,
        "problems": [],
        "not_enrolled": [],
        "undecided": [],
    }


def test_a_key_that_is_not_enrolled_is_no_tampering(
    released: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    lines = people.signers.read_text("utf-8")
    others = "".join(line for line in lines.splitlines(True) if not line.startswith("camille"))
    people.signers.write_text(others, "utf-8")
    try:
        answer = cli(released.root, *OF, "journal", "verify")
        told = json.loads(cli(released.root, *OF, "journal", "verify", "--json").out)
    finally:
        people.signers.write_text(lines, "utf-8")
    assert answer.code == 1
    assert "tampered" not in answer.err
    assert f"1 signature is of keys that {people.signers} does not know" in answer.err
    assert "entry 2 (approval), in the name of Camille Laurent: Nobody enrolled the key SHA256:" in answer.err
    assert (told["problems"], len(told["not_enrolled"])) == ([], 1)
    public = answer.err.split("write `")[1].split("`")[0]
    assert public in people.key("Camille Laurent").with_name("camille.pub").read_text("utf-8")
    command = answer.err.split("KEY.pub, and `tremplin ")[1].split("`")[0].split()
    file = tmp_path / "KEY.pub"
    file.write_text(public)
    mended = [str(file) if word == "KEY.pub" else word for word in command]
    people.signers.write_text(others, "utf-8")
    try:
        assert cli(released.root, *OF, *mended).code == 0
        assert cli(released.root, *OF, "journal", "verify").code == 0, "what it says to do is what helps"
    finally:
        people.signers.write_text(lines, "utf-8")


def test_a_journal_that_was_changed_is_an_error(released: Town, cli: Cli, tmp_path: Path) -> None:
    town = copy_of(released, tmp_path / "changed")
    with sqlite3.connect(town.root / ".tremplin" / "store.db") as connection:
        connection.execute("update journal set by = 'Ines Moreau' where kind = 'approval'")
    connection.close()
    answer = cli(town.root, *OF, "journal", "verify")
    assert answer.code == 1
    assert "The journal was tampered with: entry 2 (approval) was changed after it was written" in answer.err
    assert "entry 2 (approval) is not Ines Moreau's: its signature is not of what it says." in answer.err


def test_a_trace_of_nothing_says_where_an_id_comes_from(released: Town, cli: Cli) -> None:
    answer = cli(released.root, *OF, "trace", "no-such-answer")
    assert answer.code == 1
    assert "The store has no prediction 'no-such-answer'. Its id is in the answer of /predict." in answer.err
