"""Rows of CSV and Parquet files, at any address that fsspec opens: a folder, ``s3://``, ``https://``, ``memory://``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tremplin.errors import SourceAway, TremplinError
from tremplin.sources import columns as declared
from tremplin.sources.columns import Columns
from tremplin.sources.credentials import refuse_credentials_in, shown, without
from tremplin.sources.formats import Asked, format_of, read_csv, read_parquet
from tremplin.sources.reading import this_reading
from tremplin.sources.window import periods, require_window

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem

# Of what a file system says of a file, what may change while the content stays.
INDIFFERENT = {
    "name",
    "type",
    "islink",
    "mode",
    "uid",
    "gid",
    "nlink",
    "mimetype",
    "url",
    "partial",
    "destination",
}
State = dict[str, Any]

ABSENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)

# aiohttp and the cloud libraries have families of their own for what the network does.
NETWORK = {"ClientConnectionError", "ClientPayloadError", "EndpointConnectionError"}


def read_files(
    address: str | Path,
    start: datetime,
    end: datetime,
    *,
    time: str,
    columns: Columns,
    timezone: str | None = None,
    missing: Sequence[str] = ("",),
) -> pd.DataFrame:
    """The rows of files whose ``time`` lies in ``[start, end)``, in the order of the files' names.

    Of Parquet, only the row groups that may hold such rows are read, and only the declared columns. A file that changes while it
    is read is read again by whoever retries; one that is cut short is refused, never a shorter table.

    Args:
        address: a path or URL of one file, a folder (with all of its files; names that begin with ``_`` or ``.`` are not
            data), or a pattern with ``*``. With ``{year}``, ``{month}`` (2024-05) or ``{day}`` (2024-05-31) in it, only the
            window's files are opened, and one that is missing between two others is an error. Options and credentials of a
            file system come from the environment, as fsspec reads it: ``FSSPEC_S3='{"endpoint_url": "..."}'``.
        start, end: aware times; ``end`` is not in the window.
        time: the column that the window is about.
        columns: the columns that are delivered, and their types: string, number, integer, boolean, timestamp.
        timezone: the zone that times without one are local to, and that ``{day}`` is a day of; None refuses such times, and
            takes days of UTC.
        missing: what stands for a missing value in CSV.

    Raises:
        SourceAway: the file system does not answer, or a file changed while it was read; asking again may help.
        TremplinError: a file, a column or a value must be mended by a person.
    """
    declared.require_columns(columns, timezone)
    require_window(start, end)
    if columns.get(time) != "timestamp":
        raise TremplinError(f"time={time!r} must be one of the columns, declared as timestamp.")
    import pyarrow as pa

    place = str(address)
    refuse_credentials_in(place)
    asked = Asked(start, end, time, columns, timezone, tuple(missing))
    with this_reading() as reading, _said_plainly(place):
        files, path = _file_system(place)
        before = _states(files, path, asked)
        tables, evidence = [declared.schema(columns).empty_table()], {}
        for name, state in before.items():
            with _said_plainly(name):
                read = read_parquet if format_of(name) == "parquet" else read_csv
                table, facts = read(files, name, state.get("size"), asked)
            tables.append(table)
            evidence[shown(name)] = {
                **{key: _written(value) for key, value in state.items()}, **facts, "rows": table.num_rows
            }  # fmt: skip
        after = _states(files, path, asked)
        if changed := sorted(
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        ):
            raise SourceAway(
                f"{', '.join(map(shown, changed))} changed while {shown(place)} was read. Try again when its writer is done."
            )
        rows = pa.concat_tables(tables)
        reading.note("files", shown(place), rows, evidence)
    return declared.to_frame(rows)


def _file_system(place: str) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise TremplinError(f"{shown(place)} cannot be opened here: {error}.") from None
    return files, path


def _states(files: AbstractFileSystem, path: str, asked: Asked) -> dict[str, State]:
    """The data files of the address now, by name, with what would change if their content did."""
    files.invalidate_cache()
    if "{" in path:
        found = _of_the_window(files, path, asked)
    elif any(sign in path for sign in "*["):
        found = {str(name): files.info(name) for name in sorted(files.glob(path)) if not files.isdir(name)}
    elif path.endswith("/") or (info := files.info(path))["type"] == "directory":
        names = [str(name) for name in files.find(path)]
        found = {name: files.info(name) for name in sorted(names) if not _aside(name, path)}
    else:
        found = {path: info}
    if not found:
        raise TremplinError(f"{shown(path)} holds no file. Check the address, and that the data has arrived.")
    for name in found:
        format_of(name)
    return {
        name: {key: value for key, value in info.items() if key not in INDIFFERENT and value is not None}
        for name, info in found.items()
    }


def _of_the_window(files: AbstractFileSystem, path: str, asked: Asked) -> dict[str, State]:
    """One file a year, month or day; the first ones may not exist yet, a gap is refused."""
    zone = ZoneInfo(asked.timezone) if asked.timezone else UTC
    found: dict[str, State] = {}
    for words in periods(asked.start, asked.end, zone):
        try:
            name = path.format_map(words)
        except (KeyError, ValueError, IndexError):
            raise TremplinError(
                f"{shown(path)}: only {{year}}, {{month}} and {{day}} can stand in an address."
            ) from None
        if name in found:
            continue
        try:
            found[name] = files.info(name)
        except FileNotFoundError as error:
            if error.__cause__ is not None and _passing(error.__cause__):
                raise
            if found:
                raise TremplinError(
                    f"{shown(name)} is not there, and a file before it is. A file that did not arrive is not a quiet time: "
                    "bring it, or put an empty one with the header in its place."
                ) from None
    return found


def _aside(name: str, folder: str) -> bool:
    """Files that writers leave beside the data, such as ``_SUCCESS`` and ``.part-0.crc``."""
    below = name.removeprefix(folder.rstrip("/")).strip("/")
    return any(part.startswith(("_", ".")) for part in below.split("/"))


def _written(value: Any) -> Any:
    """As JSON; of what file systems say, numbers with a fraction are times."""
    if isinstance(value, float):
        return datetime.fromtimestamp(value, UTC).isoformat()
    return value if isinstance(value, (str, int)) else str(value)


@contextmanager
def _said_plainly(place: str) -> Iterator[None]:
    try:
        yield
    except TremplinError:
        raise
    except Exception as error:
        # fsspec says that a file is not there also where the server refused or did not answer; the cause knows.
        cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
        said = without([_query(place)], cause)
        if _passing(cause):
            raise SourceAway(
                f"{shown(place)} does not answer ({type(cause).__name__}: {said}). Try again later."
            ) from None
        if isinstance(cause, ABSENT) or getattr(cause, "status", None):
            absent = isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == 404
            raise TremplinError(
                f"{shown(place)}: {'it is not there' if absent else said}. Check the address and the rights."
            ) from None
        if _damaged(cause):
            raise TremplinError(
                f"{shown(place)} cannot be read whole: {said or type(cause).__name__}. It may be cut short or of another "
                "format. Have it written again."
            ) from None
        raise


def _damaged(error: BaseException) -> bool:
    """Content that its format's reader refuses; pyarrow and gzip also say OSError, then without a number."""
    import lzma
    import zipfile
    import zlib

    import pyarrow as pa

    kinds = (pa.ArrowInvalid, EOFError, UnicodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
    return isinstance(error, kinds) or (isinstance(error, OSError) and error.errno is None)


def _passing(error: BaseException) -> bool:
    """Whether asking again may help: timeouts, connections, and HTTP's own words for it."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return status >= 500 or status in {408, 425, 429}
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    return any(kind.__name__ in NETWORK for kind in type(error).__mro__)


def _query(place: str) -> str:
    return place.partition("?")[2]
