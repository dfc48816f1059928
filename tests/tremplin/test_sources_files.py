"""Rows of CSV and Parquet files: the window's, in their types, of whole files that hold still, or none."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.tremplin.city_service import City, city
from tremplin.api import TremplinError, read_files
from tremplin.errors import SourceAway
from tremplin.sources import files as reader
from tremplin.sources.reading import reading

ROOT = Path(__file__).parents[2]
START, END = datetime(2024, 3, 30, tzinfo=UTC), datetime(2024, 4, 2, tzinfo=UTC)
COLUMNS: dict[str, Any] = {
    "id": "string", "at": "timestamp", "age": "number", "flickers": "integer", "wet": "boolean",
}  # fmt: skip
HEADER = "owner,id,at,age,flickers,wet\n"
MARCH = HEADER + (
    "a,early,2024-03-29T23:59:59Z,never looked at,1,true\n"
    "a,first,2024-03-30 00:00:00+00:00,0.10,9007199254740993,false\n"
    'a,"two\nlines, quoted",2024-03-31T12:00:00+02:00,,,\n'
)
APRIL = HEADER + "b,april,2024-04-01T10:00:00Z,2.5,3,True\nb,end,2024-04-02T00:00:00Z,1,1,true\n"
IDS = ["first", "two\nlines, quoted", "april"]


def read(address: object, **given: Any) -> pd.DataFrame:
    """The window of the checks."""
    return read_files(str(address), START, END, **({"time": "at", "columns": COLUMNS} | given))


def table(text: str) -> pa.Table:
    """The rows of a CSV that are well formed, as a Parquet file would hold them."""
    frame = pd.read_csv(
        io.StringIO(text), dtype={"flickers": "Int64"} | ({"wet": "boolean"} if "wet" in text else {})
    )
    frame["at"] = pd.to_datetime(frame["at"], utc=True, format="ISO8601")
    frame["age"] = pd.to_numeric(frame["age"], errors="coerce")
    return pa.Table.from_pandas(frame, preserve_index=False)


def as_parquet(text: str, **given: Any) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(table(text), sink, **given)
    return bytes(sink.getvalue().to_pybytes())


CONTENT = {
    "csv": lambda text: text.encode(),
    "csv.gz": lambda text: gzip.compress(text.encode()),
    "parquet": as_parquet,
}


@pytest.fixture
def service() -> Iterator[City]:
    with city() as made:
        yield made


@pytest.fixture(params=["local", "memory", "http"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Where files lie: gives ``(put, address of a name)``."""
    if request.param == "http":
        service = request.getfixturevalue("service")
        return (
            lambda name, content: service.files.update({f"/{name}": content})
        ), lambda name: f"{service.url}/{name}"
    base = str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}"
    file_system = fsspec.filesystem("file" if request.param == "local" else "memory")
    file_system.makedirs(base, exist_ok=True)
    return (
        lambda name, content: file_system.pipe_file(f"{base}/{name}", content)
    ), lambda name: f"{base}/{name}"


@pytest.mark.parametrize("suffix", CONTENT)
def test_one_file_gives_the_rows_of_the_window_typed(place: Any, suffix: str) -> None:
    put, address = place
    put(f"march.{suffix}", CONTENT[suffix](MARCH + APRIL.removeprefix(HEADER)))
    rows = read(address(f"march.{suffix}"))
    assert rows["id"].tolist() == IDS
    assert rows["at"].tolist() == [
        pd.Timestamp(text) for text in ("2024-03-30 00:00Z", "2024-03-31 10:00Z", "2024-04-01 10:00Z")
    ]
    assert rows.dtypes.astype(str).tolist() == ["str", "datetime64[us, UTC]", "float64", "Int64", "boolean"]
    assert rows["flickers"].tolist()[0] == 9007199254740993
    assert rows.loc[1, ["age", "flickers", "wet"]].isna().all()


@pytest.mark.parametrize("suffix", CONTENT)
def test_a_file_for_each_month_is_opened_where_the_window_needs_it(place: Any, suffix: str) -> None:
    put, address = place
    put(f"c-2024-03.{suffix}", CONTENT[suffix](MARCH))
    put(f"c-2024-04.{suffix}", CONTENT[suffix](APRIL))
    put(f"c-2024-05.{suffix}", b"never opened")
    with reading(None) as opened:
        assert read(address(f"c-{{month}}.{suffix}"))["id"].tolist() == IDS
    assert len(opened.origins[0].evidence) == 2


def test_the_first_months_may_be_missing_and_a_gap_is_refused(place: Any) -> None:
    put, address = place
    put("c-2024-04.csv", APRIL.encode())
    assert read(address("c-{month}.csv"))["id"].tolist() == ["april"]
    put("d-2024-03-30.csv", HEADER.encode())
    put("d-2024-04-01.csv", APRIL.encode())
    with pytest.raises(TremplinError, match=r"d-2024-03-31.csv is not there, and a file before it is"):
        read(address("d-{day}.csv"))
    with pytest.raises(TremplinError, match="holds no file"):
        read(address("e-{year}.csv"))
    with pytest.raises(TremplinError, match=r"only \{year\}, \{month\} and \{day\}"):
        read(address("e-{week}.csv"))


def test_a_folder_and_a_pattern_give_every_file_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "2024").mkdir()
    (tmp_path / "2024" / "b.csv").write_text(APRIL)
    (tmp_path / "2024" / "a.parquet").write_bytes(as_parquet(MARCH))
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "2024" / ".b.csv.crc").write_text("x")
    assert read(tmp_path)["id"].tolist() == IDS
    assert read(tmp_path / "*" / "*.csv")["id"].tolist() == ["april"]
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(TremplinError, match=r"notes.txt is neither .csv .* nor .parquet"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_many_blocks_comes_whole_from_a_server_without_ranges(service: City, suffix: str) -> None:
    hours = pd.date_range(START, END, freq="s", inclusive="left")
    frame = pd.DataFrame({"id": [f"{n:032}" for n in range(len(hours))], "at": hours})
    content = frame.to_csv(index=False).encode() if suffix == "csv" else frame.to_parquet(compression=None)
    assert len(content) > 6 << 20  # fsspec asks for parts of 5 MiB
    service.files["/c." + suffix] = content
    rows = read(f"{service.url}/c.{suffix}", columns={"id": "string", "at": "timestamp"})
    assert rows["id"].tolist() == frame["id"].tolist()


def test_only_row_groups_that_may_hold_the_window_are_read(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", "2024-12-31", freq="h", tz="UTC")
    for zone in (None, "UTC"):
        at = hours.tz_localize(None) if zone is None else hours
        frame = pd.DataFrame({"id": hours.astype(str), "at": at})
        frame.to_parquet(tmp_path / "year.parquet", index=False, row_group_size=24 * 7)
        with reading(None) as opened:
            rows = read(
                tmp_path / "year.parquet", columns={"id": "string", "at": "timestamp"}, timezone="UTC"
            )
        assert len(rows) == 72
        (facts,) = opened.origins[0].evidence.values()
        assert (facts["row_groups"], facts["row_groups_read"]) == (53, 2)


def test_local_times_need_a_zone_and_days_are_cut_in_it(tmp_path: Path) -> None:
    (tmp_path / "c-2024-03-30.csv").write_text("id,at\nbefore,2024-03-30 00:59\nfirst,2024-03-30 01:00\n")
    (tmp_path / "c-2024-03-31.csv").write_text("id,at\nsummer,2024-03-31 03:00\n")
    (tmp_path / "c-2024-04-01.csv").write_text("id,at\n")
    (tmp_path / "c-2024-04-02.csv").write_text("id,at\nlast,2024-04-02 01:59\nend,2024-04-02 02:00\n")
    columns = {"id": "string", "at": "timestamp"}
    with pytest.raises(TremplinError, match="its times have no zone"):
        read(tmp_path / "c-2024-03-30.csv", columns=columns)
    rows = read(tmp_path / "c-{day}.csv", columns=columns, timezone="Europe/Paris")
    assert rows["id"].tolist() == ["first", "summer", "last"]
    assert rows["at"][1] == pd.Timestamp("2024-03-31 01:00Z")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.csv", MARCH[:-1].encode(), "is cut short: its last line has no end"),
        ("c.csv", MARCH.encode() + b"b,x,2024-03-31T00:00Z,1\n", "cannot be read whole: .*Expected 6 columns, got 4"),
        ("c.csv", HEADER.encode() + b'a,"open quote,2024\n', "cannot be read whole"),
        ("c.csv", b"", "cannot be read whole: .*Empty CSV"),
        ("c.csv", b"id,at\nx,2024-03-31T00:00Z\n", "has no column age, flickers, wet; it has id, at"),
        ("c.csv", b"id,id,at,age,flickers,wet\n", "has the column id twice"),
        ("c.csv", HEADER.encode() + b"a,x,,1,1,true\n", "1 rows have no at, so nobody can say"),
        ("c.csv", HEADER.encode() + b"a,x,2024-03-31T00:00Z,much,1,true\n", "column age is not a number: .*'much'"),
        ("c.csv", HEADER.encode() + b"a,x,2024-03-31T00:00Z,1,1.5,true\n", "column flickers is not a integer"),
        ("c.csv", HEADER.encode() + b"a,\xff,2024-03-31T00:00Z,1,1,true\n", "c.csv"),
        ("c.csv.gz", gzip.compress(MARCH.encode(), mtime=0)[:-20], "cannot be read whole: .*ended before the end-of-stream"),
        ("c.csv.gz", MARCH.encode(), "cannot be read whole"),
        ("c.parquet", as_parquet(MARCH)[:-20], "cannot be read whole"),
        ("c.parquet", as_parquet(MARCH)[:4] + b"\0" * 400 + as_parquet(MARCH)[404:], "cannot be read whole"),
        ("c.parquet", b"", "cannot be read whole"),
        ("c.parquet", as_parquet("id,at,age,flickers\nx,2024-03-31T00:00Z,1,1\n"), "has no column wet; it has id, at"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_and_never_a_short_table(
    place: Any, name: str, content: bytes, said: str
) -> None:
    put, address = place
    put(name, content)
    with pytest.raises(TremplinError, match=said) as refused:
        read(address(name))
    assert not isinstance(refused.value, SourceAway)


def test_a_file_that_changes_while_it_is_read_is_read_again_by_whoever_retries(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, address = place
    for name, content in (("c-2024-03.csv", MARCH), ("c-2024-04.csv", APRIL)):
        put(name, content.encode())
    honest = reader.read_csv

    def overtaken(files: Any, name: str, *rest: Any) -> Any:
        """The writer comes back just behind the reader."""
        found = honest(files, name, *rest)
        if "03" in name:
            put("c-2024-03.csv", MARCH.replace("0.10", "0.1000").encode())
        return found

    monkeypatch.setattr(reader, "read_csv", overtaken)
    with pytest.raises(SourceAway, match=r"c-2024-03.csv changed while .* was read"):
        read(address("c-{month}.csv"))
    monkeypatch.undo()
    assert read(address("c-{month}.csv"))["id"].tolist() == IDS


def test_a_server_that_cuts_its_answer_or_is_away_is_asked_again(service: City) -> None:
    service.files["/c.csv"] = MARCH.encode()
    for fault in ("500", "503", "drop"):
        service.faults = [fault] * 20
        with pytest.raises(SourceAway, match="does not answer"):
            read(f"{service.url}/c.csv")
        service.faults = []
    service.faults = [None, None, "cut"]  # the two questions before are for its size
    with pytest.raises(SourceAway, match="does not answer"):
        read(f"{service.url}/c.csv")
    service.faults = [None, None, "damaged"]  # shorter than the same server said just before
    with pytest.raises(TremplinError, match="is cut short"):
        read(f"{service.url}/c.csv")
    assert len(read(f"{service.url}/c.csv")) == 2


@pytest.mark.parametrize(
    ("address", "away", "said"),
    [
        ("/nowhere/c.csv", False, "/nowhere/c.csv: it is not there"),
        ("memory://nowhere/c.csv", False, "it is not there"),
        ("http://127.0.0.1:1/c.csv?signature=hunter2", True, "http://127.0.0.1:1/c.csv does not answer"),
        ("s3://key:hunter2@bucket/c.csv", False, r"s3://\*\*\*@...: credentials do not belong in an address"),
        ("nothing://c.csv", False, "cannot be opened here: Protocol not known"),
    ],
)
def test_an_address_that_cannot_be_read_is_named_without_its_secrets(
    address: str, away: bool, said: str
) -> None:
    with pytest.raises(TremplinError, match=said) as refused:
        read(address)
    assert isinstance(refused.value, SourceAway) is away
    assert "hunter2" not in str(refused.value)


def test_missing_values_are_what_they_are_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,at,age\nNA,2024-03-31T00:00Z,NA\n")
    columns = {"id": "string", "at": "timestamp", "age": "number"}
    assert read(tmp_path / "c.csv", columns=columns, missing=["NA"]).iloc[0][["id", "age"]].isna().all()
    with pytest.raises(TremplinError, match="column age is not a number"):
        read(tmp_path / "c.csv", columns=columns)


def test_the_origin_names_each_file_and_what_identifies_it(tmp_path: Path, service: City) -> None:
    (tmp_path / "c.csv").write_text(MARCH)
    service.etags = True
    service.files["/c.csv"] = MARCH.encode()
    with reading(None) as opened:
        read(tmp_path / "c.csv")
        read(f"{service.url}/c.csv?signature=hunter2")
    local, remote = opened.origins
    assert local.sha256 == remote.sha256
    facts = local.evidence[str(tmp_path / "c.csv")]
    digest = hashlib.sha256(MARCH.encode()).hexdigest()
    assert (facts["size"], facts["rows"], facts["sha256"]) == (len(MARCH), 2, digest)
    assert remote.evidence[f"{service.url}/c.csv"]["ETag"] == f'"{digest[:16]}"'
    assert "hunter2" not in repr(opened.origins)


def test_options_of_a_file_system_come_from_the_environment(service: City) -> None:
    service.files["/c.csv"] = MARCH.encode()
    service.token = "Bearer hunter2"
    code = (
        f"from tests.tremplin.test_sources_files import read\nprint(len(read({service.url + '/c.csv'!r})))\n"
    )
    for options, printed in (
        ("{}", ""),
        ('{"client_kwargs": {"headers": {"Authorization": "Bearer hunter2"}}}', "2\n"),
    ):
        ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False,
                             env={**os.environ, "PYTHONPATH": str(ROOT), "FSSPEC_HTTP": options})  # fmt: skip
        assert ran.stdout == printed, ran.stderr
        assert ("TremplinError" in ran.stderr and "401" in ran.stderr) is not bool(printed)
