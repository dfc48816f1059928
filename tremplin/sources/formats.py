"""CSV and Parquet: the rows of one file that lie in the window, and what shows that the file was read whole."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from tremplin.errors import TremplinError
from tremplin.sources.columns import Columns, cast, schema
from tremplin.sources.credentials import shown

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem

# Around the window of local times: no change of a clock is longer, and the exact bounds are drawn after it in UTC.
CLOCK_CHANGE = timedelta(hours=3)
BLOCK = 4 << 20  # bytes of CSV that are parsed at a time


@dataclass(frozen=True)
class Asked:
    """What ``read_files`` was asked for."""

    start: datetime
    end: datetime
    time: str
    columns: Columns
    timezone: str | None
    missing: tuple[str, ...]


def format_of(name: str) -> Literal["csv", "parquet"]:
    """By the suffix; compressed CSV has two.

    Raises:
        TremplinError: it is neither.
    """
    suffixes = PurePosixPath(shown(name)).suffixes[-2:]
    if suffixes and suffixes[-1] in {".parquet", ".pq"}:
        return "parquet"
    if ".csv" in suffixes:
        return "csv"
    raise TremplinError(
        f"{shown(name)} is neither .csv (also .csv.gz and the like) nor .parquet. Name the files that are data with a pattern, "
        "such as folder/*.csv."
    )


def read_csv(
    files: AbstractFileSystem, name: str, size: int | None, asked: Asked
) -> tuple[pa.Table, dict[str, Any]]:
    """Every byte is read once, in blocks; of each block the window's rows stay."""
    import pyarrow as pa
    from fsspec.compression import compr
    from fsspec.utils import infer_compression
    from pyarrow import csv

    converted = csv.ConvertOptions(
        column_types={column: pa.string() for column in asked.columns},
        null_values=list(asked.missing),
        strings_can_be_null=True,
    )
    # From the beginning to the end in one answer: not every server serves parts.
    whole = {"block_size": 0} if "http" in files.protocol else {}
    with files.open(name, "rb", **whole) as raw:
        packed = _Watched(raw)
        compression = infer_compression(shown(name))
        plain = _Watched(compr[compression](packed, mode="rb")) if compression else packed
        parsed = csv.open_csv(
            plain,
            read_options=csv.ReadOptions(block_size=BLOCK),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=converted,
        )
        names = parsed.schema.names
        if twice := sorted({column for column in names if names.count(column) > 1}):
            raise TremplinError(f"{shown(name)} has the column {', '.join(twice)} twice.")
        kept = [_in_window(pa.Table.from_batches([batch]), asked, shown(name)) for batch in parsed]
    if size is not None and packed.count != size:
        raise TremplinError(
            f"{shown(name)} is cut short: {packed.count:,} of its {size:,} bytes could be read."
        )
    if plain.last not in b"\r\n":
        raise TremplinError(
            f"{shown(name)} is cut short: its last line has no end. If it is whole, have its writer end the line."
        )
    return pa.concat_tables([schema(asked.columns).empty_table(), *kept]), {
        "sha256": packed.digest.hexdigest()
    }


def read_parquet(
    files: AbstractFileSystem, name: str, size: int | None, asked: Asked
) -> tuple[pa.Table, dict[str, Any]]:
    """The row groups whose statistics meet the window; the footer, read first, says what a whole file holds."""
    import pyarrow as pa
    from pyarrow import dataset

    with _seekable(files, name, size) as opened:
        fragment = dataset.ParquetFileFormat().make_fragment(opened)
        found = fragment.physical_schema
        if missing := [column for column in asked.columns if column not in found.names]:
            raise TremplinError(
                f"{shown(name)} has no column {', '.join(missing)}; it has {', '.join(found.names)}."
            )
        near = _near(found.field(asked.time).type, asked)
        groups = fragment if near is None else fragment.subset(filter=near)
        scanner = groups.scanner(columns=list(asked.columns), filter=near)
        kept = [
            _in_window(pa.Table.from_batches([batch]), asked, shown(name)) for batch in scanner.to_batches()
        ]
        facts = {"row_groups": fragment.num_row_groups, "row_groups_read": groups.num_row_groups}
    return pa.concat_tables([schema(asked.columns).empty_table(), *kept]), facts


def _in_window(table: pa.Table, asked: Asked, where: str) -> pa.Table:
    """The rows of the window, typed; values outside of it need not fit their type."""
    from pyarrow import compute

    if asked.time not in table.column_names:
        return cast(table, asked.columns, asked.timezone, where)  # says what is missing
    times = cast(table, {asked.time: "timestamp"}, asked.timezone, where).column(asked.time)
    if times.null_count:
        raise TremplinError(
            f"{where}: {times.null_count:,} rows have no {asked.time}, so nobody can say whether they are in the window."
        )
    inside = compute.and_(compute.greater_equal(times, asked.start), compute.less(times, asked.end))
    return cast(table.filter(inside), asked.columns, asked.timezone, where)


def _near(found: pa.DataType, asked: Asked) -> Any:
    """A condition on the raw times that every row of the window meets; None where they are text."""
    from pyarrow import dataset, types

    if not types.is_timestamp(found):
        return None
    start, end = asked.start - CLOCK_CHANGE, asked.end + CLOCK_CHANGE
    if found.tz is None:
        if asked.timezone is None:
            return None  # refused when it is cast
        start, end = (
            moment.astimezone(ZoneInfo(asked.timezone)).replace(tzinfo=None) for moment in (start, end)
        )
    import pyarrow as pa

    low, high = (pa.scalar(moment).cast(found, safe=False) for moment in (start, end))
    time = dataset.field(asked.time)
    return ((time >= low) & (time <= high)) | time.is_null()


def _seekable(files: AbstractFileSystem, name: str, size: int | None) -> IO[bytes]:
    """The file, read where it is needed; whole, from a server that does not serve parts."""
    if size and size > 8:
        opened: IO[bytes] = files.open(name, "rb")
        try:
            opened.seek(max(size - 8, 0))
            opened.read(8)
            opened.seek(0)
        except ValueError:  # fsspec's word for a server without ranges
            opened.close()
        else:
            return opened
    return io.BytesIO(files.cat_file(name))


class _Watched(io.RawIOBase):
    """Passes bytes through, counting and hashing them."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source
        self.count = 0
        self.last = b""
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self.source.read(size)
        self.count += len(data)
        self.last = data[-1:] or self.last
        self.digest.update(data)
        return data
