"""``key``: made, listed, replaced, taken back."""

from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving.access.keys import KeyRing, add, read, revoke
from serving.access.roles import Role
from tests.commands.conftest import Cli

KEYS = ".tremplin/keys/api-keys.json"


def test_a_key_is_printed_once_and_alone(tmp_path: Path, cli: Cli) -> None:
    made = cli(
        tmp_path, "key", "new", "--id", "portal", "--role", "predict", "--role", "explain", "--days", "90"
    )
    assert (made.code, made.out.count("\n")) == (0, 1)
    key = made.out.strip()
    assert key.startswith("tremplin_portal_")
    assert key not in made.err
    assert "explain, predict" in made.err
    known = KeyRing(read(tmp_path / KEYS)).find(key.encode())
    assert known is not None
    assert known.caller.roles == {Role.PREDICT, Role.EXPLAIN}
    assert known.expires == pytest.approx((datetime.now(UTC) + timedelta(days=90)).timestamp(), abs=60)
    shown = cli(tmp_path, "key", "list")
    listed = json.loads(cli(tmp_path, "key", "list", "--json").out)
    assert [(one["id"], one["roles"], one["counts"]) for one in listed] == [
        ("portal", ["explain", "predict"], True)
    ]
    assert "portal" in shown.out
    assert key.rpartition("_")[2] not in shown.out + str(listed) + (tmp_path / KEYS).read_text()


def test_a_key_is_replaced_without_a_gap(tmp_path: Path, cli: Cli) -> None:
    old, new = (
        cli(tmp_path, "key", "new", "--id", "portal", "--role", "predict").out.strip().encode()
        for _ in range(2)
    )
    ring = KeyRing(read(tmp_path / KEYS))
    assert ring.find(old)
    assert ring.find(new)
    assert "revoked" in cli(tmp_path, "key", "revoke", "portal", "--older").err
    ring = KeyRing(read(tmp_path / KEYS))
    assert ring.find(old) is None
    assert ring.find(new)
    assert "nothing to revoke" in cli(tmp_path, "key", "revoke", "portal", "--older").err
    assert cli(tmp_path, "key", "revoke", "portal").code == 0
    assert json.loads(cli(tmp_path, "key", "list", "--json").out) == []


def test_what_is_wrong_is_said(tmp_path: Path, cli: Cli) -> None:
    for words, said in (
        (("new", "--id", "Portal X", "--role", "predict"), "small letters"),
        (("new", "--id", "a_b", "--role", "predict"), "small letters"),
        (("revoke", "nobody"), "There are: none"),
    ):
        answer = cli(tmp_path, "key", *words)
        assert answer.code == 1
        assert said in answer.err
        assert answer.out == ""
    assert cli(tmp_path, "key", "new", "--id", "portal", "--role", "root").code == 2
    assert not (tmp_path / KEYS).exists()
    (tmp_path / KEYS).parent.mkdir(parents=True, exist_ok=True)
    for content in ("", "[]", '{"keys": [{}]}', '{"keys": [], "more": 1}', "\xff"):
        (tmp_path / KEYS).write_bytes(content.encode("latin-1"))
        for words in (("list",), ("new", "--id", "portal", "--role", "predict"), ("revoke", "portal")):
            answer = cli(tmp_path, "key", *words)
            assert answer.code == 1
            assert "is no file of API keys" in answer.err
        assert (tmp_path / KEYS).read_bytes() == content.encode("latin-1")  # left for whoever mends it


def _work(path: Path, number: int) -> None:
    add(path, f"caller-{number}", (Role.PREDICT,), datetime.now(UTC))
    add(path, f"gone-{number}", (Role.PREDICT,), datetime.now(UTC))
    revoke(path, f"gone-{number}")


def test_people_who_change_it_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "api-keys.json"
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_work, args=(path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {key.id for key in read(path).keys} == {f"caller-{number}" for number in range(4)}
