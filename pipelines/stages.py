"""What the stages share: the command line of one, evidence as JSON, rows as Parquet. The same content gives the same bytes."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tremplin.draft import draft_of
from tremplin.errors import TremplinError
from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot

if TYPE_CHECKING:
    import pandas as pd

    from tremplin.contract import Contract

DIGITS = 10  # significant; beyond them two processors may differ


def run(stage: Callable[[Pilot, Paths], None]) -> None:
    """``python -m pipelines.<stage> --pilot NAME``, from the root of a checkout or workspace; an error is one paragraph."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pilot", required=True, help="folder under pilots/")
    name = parser.parse_args().pilot
    try:
        stage(load_pilot(name, Path.cwd()), Paths(Path.cwd(), name))
    except TremplinError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


def progress(message: str) -> None:
    """One line for whoever is waiting."""
    print(f"  {message}", flush=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Sorted keys, ten significant digits, no NaN (null instead)."""
    text = json.dumps(plain(content), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, (text + "\n").encode())


def plain(value: Any) -> Any:
    """Numbers of NumPy as Python's own, floats rounded to ``DIGITS`` significant digits; what is not finite is None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None:
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def write_whole(path: Path, content: bytes) -> None:
    """The file appears whole or not at all; what was there before stays until then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def table_bytes(rows: pd.DataFrame, metadata: Mapping[str, str] | None = None) -> bytes:
    """Rows as Parquet, without the index; ``metadata`` is kept in the file beside what describes its columns."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pandas(rows, preserve_index=False)
    if metadata:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_table(path: Path) -> pd.DataFrame:
    """Rows of a Parquet file that ``table_bytes`` made.

    Raises:
        TremplinError: the file is missing or damaged.
    """
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        raise TremplinError(
            f"{path} cannot be read: {str(error).strip()}. Make it again: `dvc repro` for what a stage makes, "
            "`tremplin run` for the snapshot."
        ) from error


def read_metadata(path: Path) -> dict[str, str]:
    """What ``table_bytes`` was given to keep beside the rows, and what it says of them itself.

    Raises:
        TremplinError: the file is missing or damaged.
    """
    from pyarrow import parquet

    try:
        kept = parquet.read_schema(path).metadata or {}
    except (OSError, ValueError) as error:
        raise TremplinError(
            f"{path} cannot be read: {str(error).strip()}. Make it again: `tremplin run`."
        ) from error
    return {key.decode(): value.decode() for key, value in kept.items()}


def typed(rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The contract's columns in its order, each in the one type that Parquet keeps it in; the index starts at 0."""
    types = {
        "string": "str", "number": "float64", "integer": "Int64", "boolean": "boolean", "timestamp": "datetime64[us, UTC]",
    }  # fmt: skip
    columns = {column.name: types[column.logicalType] for column in contract.columns}
    return rows[list(columns)].astype(columns).reset_index(drop=True)
