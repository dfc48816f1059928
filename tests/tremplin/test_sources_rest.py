"""A paged list over HTTP: all of it, of one state, or nothing. The service is a real one that fails on demand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.tremplin.city_service import City, city, rows
from tremplin.api import Cursor, LinkHeader, NextLink, Offset, PageNumber, TremplinError, read_rest
from tremplin.errors import SourceAway
from tremplin.sources.reading import reading

ROOT = Path(__file__).parents[2]
COLUMNS: dict[str, Any] = {
    "id": "string", "at": "timestamp", "age": "number", "place.quarter": "string", "flickers": "integer",
}  # fmt: skip
BODY: dict[str, Any] = {"rows": "items", "total": "meta.total"}
DIALECTS: dict[str, dict[str, Any]] = {
    "/numbered": {"paging": PageNumber(), **BODY},
    "/offset": {"paging": Offset(rows=500), **BODY},
    "/cursor": {"paging": Cursor("cursor"), **BODY},
    "/next": {"paging": NextLink(), **BODY},
    "/link": {"paging": LinkHeader(), "total": "header:X-Total-Count"},
}


@pytest.fixture
def service() -> Iterator[City]:
    with city() as made:
        yield made


def read(service: City, path: str = "/next", **given: Any) -> pd.DataFrame:
    """The list, with little patience."""
    arguments = {
        "columns": COLUMNS, "key": "id", "timeout": 5.0, "attempts": 3, "first_wait": 0.01, **DIALECTS[path], **given,
    }  # fmt: skip
    return read_rest(service.url + path, **arguments)


@pytest.mark.parametrize("count", [0, 1, 10, 35, 40])
@pytest.mark.parametrize("path", DIALECTS)
def test_every_row_comes_once_in_order_and_typed(service: City, path: str, count: int) -> None:
    service.rows = rows(count)
    found = read(service, path)
    assert found["id"].tolist() == [row["id"] for row in service.rows]
    assert found["age"].tolist() == [row["age"] for row in service.rows]
    assert found["flickers"].isna().tolist() == [row["flickers"] is None for row in service.rows]
    assert found["place.quarter"].tolist() == [row["place"]["quarter"] for row in service.rows]
    types = ["str", "datetime64[us, UTC]", "float64", "str", "Int64"]
    assert found.dtypes.astype(str).tolist() == types


@pytest.mark.parametrize("path", ["/numbered", "/offset", "/cursor", "/next", "/link"])
def test_without_a_declared_total_the_mark_of_the_end_is_enough(service: City, path: str) -> None:
    assert len(read(service, path, total=None)) == 35


@pytest.mark.parametrize("paging", [NextLink("nxet"), Cursor("crusor")])
def test_a_page_that_says_nothing_of_a_next_one_is_not_taken_for_the_last(service: City, paging: Any) -> None:
    with pytest.raises(TremplinError, match="nothing says whether this is the last page: it has no field"):
        read(service, paging=paging, total=None)
    with pytest.raises(SourceAway, match="declares 35 rows and handed out 10"):
        read(service, paging=paging)


def test_the_window_is_sent_in_utc(service: City) -> None:
    read(service, params={"since": datetime(2024, 5, 1, tzinfo=UTC), "kind": "led & co"})
    assert service.asked[0] == "/next?since=2024-05-01T00%3A00%3A00Z&kind=led+%26+co"
    with pytest.raises(TremplinError, match="has no time zone"):
        read(service, params={"since": datetime(2024, 5, 1)})  # noqa: DTZ001


PASSING = ["500", "503", "429", "408", "drop", "cut", "damaged"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_waited_out(service: City, fault: str) -> None:
    service.faults = [None, fault, fault, None, fault]
    assert len(read(service)) == 35
    assert len(service.asked) == 4 + 3


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_stays_is_a_source_that_is_away(service: City, fault: str) -> None:
    service.faults = [None] + [fault] * 3
    with pytest.raises(SourceAway, match=r"was asked 3 times: .*Try again later"):
        read(service)
    assert len(service.asked) == 4


@pytest.mark.parametrize("fault", ["stall", "drip"])
def test_an_answer_that_does_not_come_to_an_end_is_given_up(service: City, fault: str) -> None:
    service.faults = [None, fault]
    began = time.monotonic()
    with pytest.raises(SourceAway, match=r"was asked once: .*(ReadTimeout|was not whole after 0.3 s)"):
        read(service, timeout=0.3, attempts=1)
    assert time.monotonic() - began < 3


def test_a_service_that_is_not_there_is_away() -> None:
    with city() as gone:
        pass
    with pytest.raises(SourceAway, match="was asked 3 times: ConnectError"):
        read(gone)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("404", "refuses with 404: "), ("401", "refuses with 401: "), ("400", "refuses with 400: "),
        ("302 Location=http://elsewhere.invalid/login?x=1", r"refuses with 302 and sends to http://elsewhere.invalid/login: "),
        ("html", "answers text/html, not JSON"),
        ("elsewhere", "The next page lies on http://elsewhere.invalid, .*it is not followed"),
    ],
)  # fmt: skip
def test_a_refusal_is_for_a_person_and_not_repeated(service: City, fault: str, said: str) -> None:
    service.faults = [fault]
    with pytest.raises(TremplinError, match=said) as refused:
        read(service)
    assert not isinstance(refused.value, SourceAway)
    assert len(service.asked) == 1


def test_retry_after_is_honoured_in_seconds_and_as_a_date(service: City) -> None:
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 2.5))
    for fault in ("429 Retry-After=1", f"503 Retry-After={later}"):
        service.faults = [fault]
        began = time.monotonic()
        assert len(read(service)) == 35
        assert time.monotonic() - began > 0.9
    service.faults = ["429 Retry-After=3600"]
    with pytest.raises(SourceAway, match="It asks to wait 3600 s"):
        read(service)


@pytest.mark.parametrize("path", DIALECTS)
def test_pages_that_repeat_are_no_rows(service: City, path: str) -> None:
    service.faults = [None, "repeat"]
    with pytest.raises(SourceAway, match=r"changed while it was read: the row id=L0 came twice"):
        read(service, path)


def test_a_total_that_is_not_reached_or_that_moves_is_no_snapshot(service: City) -> None:
    service.declared = 36
    for path in DIALECTS:
        with pytest.raises(SourceAway, match="declares 36 rows and handed out 35"):
            read(service, path)
    service.declared = None
    changing = iter(range(36, 99))

    class Growing(list[Any]):
        def __len__(self) -> int:
            return next(changing)

    service.rows = Growing(service.rows)
    with pytest.raises(SourceAway, match=r"its total was \d+ and is \d+"):
        read(service)


def test_a_version_that_moves_is_no_snapshot(service: City) -> None:
    assert len(read(service, version="meta.state", total=None)) == 35
    changing = iter(range(36, 99))

    class Growing(list[Any]):
        def __len__(self) -> int:
            return next(changing)

    service.rows = Growing(service.rows)
    with pytest.raises(SourceAway, match=r"its version was \d+ and is \d+"):
        read(service, version="meta.state", total=None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key": "name"}, "key: name must be among the columns"),
        ({"key": "flickers"}, r"holds a row without a key \(flickers=None\)"),
        (
            {"key": ["id", "place"], "columns": {"id": "string", "place": "string"}},
            "the key place is a list or an object",
        ),
        ({"rows": "things"}, "the body has no field things"),
        ({"rows": "meta"}, "meta is not a list of objects"),
        ({"total": "meta.count"}, "declares no total: there is no meta.count"),
        ({"total": "header:X-Count"}, "declares no total: there is no header:X-Count"),
        ({"columns": {"id": "string", "agee": "number"}}, "no row has a field agee"),
        ({"columns": {"id": "integer"}}, "page 1 of .*column id is not a integer"),
        ({"columns": {"id": "string", "place": "string"}}, "column place is not a string"),
        ({"secret_headers": {"Authorization": "NOWHERE_SET"}}, "NOWHERE_SET is not set"),
    ],
)
def test_what_a_person_must_mend_is_named(service: City, given: dict[str, Any], said: str) -> None:
    with pytest.raises(TremplinError, match=said) as refused:
        read(service, **given)
    assert not isinstance(refused.value, SourceAway)


def test_a_key_that_is_a_list_names_no_row(service: City) -> None:
    for number, row in enumerate(service.rows):
        row["tags"] = [number]
    with pytest.raises(TremplinError, match="the key tags is a list or an object in a row"):
        read(service, columns={"id": "string", "tags": "string"}, key="tags")


def test_credentials_travel_in_headers_and_are_never_shown(
    service: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITY_AUTHORIZATION", "Bearer hunter2")
    service.faults = ["401"]
    with pytest.raises(TremplinError, match="refuses with 401") as refused:
        read(service, secret_headers={"Authorization": "CITY_AUTHORIZATION"})
    assert "hunter2" not in str(refused.value)
    with reading(None) as opened:
        read(service, secret_headers={"Authorization": "CITY_AUTHORIZATION"})
    assert "hunter2" not in repr(opened.origins)
    with pytest.raises(TremplinError, match="credentials do not belong in an address") as refused:
        read_rest("http://ada:hunter2@127.0.0.1/x", paging=NextLink(), columns=COLUMNS, key="id")
    assert "hunter2" not in str(refused.value)


def test_the_origin_names_the_request_the_pages_and_the_rows(service: City) -> None:
    with reading(None) as opened:
        read(service, params={"kind": "led"})
        read(service, "/cursor", params={"kind": "led"})
    one, other = opened.origins
    assert one.sha256 == other.sha256
    assert (one.kind, one.address, one.rows) == ("rest", f"{service.url}/next", 35)
    assert one.evidence["request"] == f"{service.url}/next?kind=led"
    assert (one.evidence["pages"], one.evidence["total"]) == (4, 35)


def interrupted(service: City, kept: Path, path: str = "/next") -> None:
    """A reading that loses its source before the last page."""
    service.faults = [None, None, None, "500"]
    with pytest.raises(SourceAway), reading(kept):
        read(service, path, attempts=1)
    service.asked.clear()


@pytest.mark.parametrize("path", DIALECTS)
def test_a_rerun_goes_on_from_the_last_page(service: City, tmp_path: Path, path: str) -> None:
    kept = tmp_path / "pages"
    interrupted(service, kept, path)
    with reading(kept) as opened:
        found = read(service, path)
    assert found["id"].tolist() == [row["id"] for row in service.rows]
    assert (
        len(service.asked) == 3
    )  # the first and the last that were kept, once more, and the one that was missing
    assert opened.origins[0].evidence["pages"] == 4
    assert not kept.exists()


def test_a_killed_process_goes_on_from_the_last_page(service: City, tmp_path: Path) -> None:
    kept = tmp_path / "pages"
    service.faults = [None, None, None, "stall"]
    code = (
        "from pathlib import Path; from tremplin.api import *; from tremplin.sources.reading import reading\n"
        f"with reading(Path({str(kept)!r})):\n"
        f"    read_rest({service.url + '/next'!r}, paging=NextLink(), columns={COLUMNS!r}, key='id', **{BODY!r})\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert service.waiting.wait(30)
    running.send_signal(signal.SIGKILL)
    running.wait()
    service.over.set()
    service.asked.clear()
    with reading(kept):
        assert len(read(service)) == 35
    assert len(service.asked) == 3


@pytest.mark.parametrize("etags", [False, True])
@pytest.mark.parametrize("changed", ["first", "last", "count"])
def test_pages_of_another_state_are_not_mixed_in(
    service: City, tmp_path: Path, changed: str, etags: bool
) -> None:
    service.etags = etags
    interrupted(service, tmp_path / "pages")
    if changed == "count":
        service.rows = rows(36)
    else:
        service.rows[{"first": 3, "last": 25}[changed]]["age"] = -1.0
    with reading(tmp_path / "pages"):
        found = read(service)
    assert found["age"].tolist() == [row["age"] for row in service.rows]


def test_with_etags_a_change_on_any_kept_page_is_seen(service: City, tmp_path: Path) -> None:
    service.etags = True
    interrupted(service, tmp_path / "pages")
    service.rows[15]["age"] = -1.0
    with reading(tmp_path / "pages"):
        assert read(service)["age"].tolist() == [row["age"] for row in service.rows]


def test_pages_of_another_request_are_not_used(service: City, tmp_path: Path) -> None:
    interrupted(service, tmp_path / "pages")
    with reading(tmp_path / "pages"):
        assert len(read(service, params={"since": "2024"})) == 35
    assert len(service.asked) == 4


@pytest.mark.parametrize("damage", [b"", b"{", b'{"url": 1}'])
def test_a_damaged_page_is_read_again(service: City, tmp_path: Path, damage: bytes) -> None:
    kept = tmp_path / "pages"
    interrupted(service, kept)
    next(kept.glob("*/00001.json")).write_bytes(damage)
    with reading(kept):
        assert len(read(service)) == 35


def test_pages_are_forgotten_once_a_person_has_something_to_mend(service: City, tmp_path: Path) -> None:
    kept = tmp_path / "pages"
    interrupted(service, kept)
    service.faults = [None, None, "404"]
    with pytest.raises(TremplinError), reading(kept):
        read(service)
    assert not kept.exists()


def test_only_declared_columns_are_kept_aside(service: City, tmp_path: Path) -> None:
    service.faults = [None, "500"]
    with pytest.raises(SourceAway), reading(tmp_path):
        read(service, columns={"id": "string"}, attempts=1)
    kept = next(tmp_path.glob("*/00000.json")).read_text()
    assert "L7" in kept
    assert "port" not in kept
