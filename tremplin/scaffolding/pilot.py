"""A pilot's folder from a table: read, decide, describe, write; all of it or nothing."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from tremplin import strict_yaml
from tremplin.batch_checks import check_rows
from tremplin.contract import load_contract
from tremplin.errors import TremplinError
from tremplin.pilot_code import PilotCode
from tremplin.pilot_file import PilotFile
from tremplin.scaffolding import documents, model_files, source_file
from tremplin.scaffolding.amounts import amounts
from tremplin.scaffolding.asked import Asked
from tremplin.scaffolding.describing import describe
from tremplin.scaffolding.entries import Entry
from tremplin.scaffolding.graph import with_pilot
from tremplin.scaffolding.leaks import SingleAuc, alone
from tremplin.scaffolding.reading import Table, read
from tremplin.scaffolding.roles import Roles, choose
from tremplin.scaffolding.source_file import Layout
from tremplin.scaffolding.window import window

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
ALWAYS = datetime(1700, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """What was made, for people to read."""

    folder: Path
    rows: int
    decided: tuple[str, ...]
    entries: tuple[Entry, ...]
    left_out: dict[str, str]  # column of the file: why
    as_of: date


def new_pilot(name: str, file: Path, root: Path, asked: Asked, *, single_auc: SingleAuc) -> Made:
    """Write ``root/pilots/name`` and its name into ``root/dvc.yaml``.

    Raises:
        TremplinError: the name, the file, or what was asked for cannot be; nothing was written.
    """
    _refuse_name(name, root)
    graph = with_pilot(root / "dvc.yaml", name)
    table = read(file.resolve(), asked.target)
    roles = choose(table, asked)
    unfinished = root / ".tremplin"
    unfinished.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=unfinished) as made_in:
        folder = Path(made_in) / name
        folder.mkdir()
        made = _write(folder, table, roles, root, single_auc)
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        shutil.move(folder, root / "pilots" / name)
    (root / "dvc.yaml").write_text(graph, "utf-8")
    return made


def _refuse_name(name: str, root: Path) -> None:
    if not NAME.fullmatch(name):
        raise TremplinError(
            f"{name!r} cannot be a pilot's name: it is a folder, a name in dvc.yaml and in MLflow. Small letters, digits, _ "
            "and -, a letter first, at most 40."
        )
    if (root / "pilots" / name).exists():
        raise TremplinError(f"pilots/{name} is there already. Choose another name, or remove it first.")


def _write(folder: Path, table: Table, roles: Roles, root: Path, single_auc: SingleAuc) -> Made:
    """The five files in ``folder``; what they accept was tried on every row."""
    name, names = folder.name, source_file.layout(table, roles)
    rows, how = _source(folder, table, roles, names, root)
    decided = [*roles.said, how]
    if len(rows) < len(table.raw):
        decided.append(f"{len(table.raw) - len(rows):,} rows have no {roles.time} and are left out")
    cut = window(rows, names)
    entries = describe(rows, cut, names, roles, table, single_auc=single_auc)
    features = [entry.column for entry in entries if entry.is_feature]
    if not features:
        raise TremplinError(
            "No column is left that a model could learn from: each is the target, a key, a time, personal or suspected of "
            "knowing the answer. Bring a table with more columns."
        )
    calendar = {f.name: alone(f, cut, names.target, single_auc) for f in features if f.name in names.calendar}
    found = amounts(cut, names, {name: auc for name, auc in calendar.items() if auc is not None})
    file_name, question = table.reading.path.name, roles.question
    for file, content in (
        ("contract.yaml", documents.contract(name, file_name, question, entries)),
        ("features.py", model_files.features()),
        ("model.py", model_files.model(amount=question.amount)),
        ("pilot.yaml", documents.pilot(name, file_name, question, entries, found)),
    ):
        (folder / file).write_text(content, "utf-8")
    strict_yaml.load(folder / "pilot.yaml", PilotFile)
    breaches = check_rows(rows, load_contract(folder / "contract.yaml")).breaches
    if breaches:
        raise TremplinError(
            f"{table.reading.path} cannot be described:\n" + "\n".join(f"  {b}" for b in breaches)
        )
    return Made(
        root / "pilots" / name, len(rows), tuple(decided), tuple(entries), table.left_out, cut.as_of.date()
    )


def _source(folder: Path, table: Table, roles: Roles, names: Layout, root: Path) -> tuple[pd.DataFrame, str]:
    """Write ``source.py`` and read all rows by it; where its rows can be traced, they are."""

    def read_by(*, traced: bool) -> pd.DataFrame:
        text = source_file.source(folder.name, table, roles, names, root, traced=traced)
        (folder / "source.py").write_text(text, "utf-8")
        try:
            rows: pd.DataFrame = PilotCode(folder.name, folder).source.fetch(*ALWAYS)
        except (ValueError, OverflowError) as error:
            raise TremplinError(
                f"{table.reading.path} cannot be read again as it was understood: {str(error).partition(chr(10))[0]}. Write its "
                "columns in one form each, and say if `tremplin new` should have known better."
            ) from error
        return rows

    said, rows = "source:", read_by(traced=False)
    if not roles.key or roles.year_only:
        why = "a row's key or time is made from the whole file"
    elif table.reading.separator not in (None, ","):
        why = "read_files reads CSV with commas, or Parquet"
    else:
        try:
            traced = read_by(traced=True)
        except TremplinError as error:
            why = str(error).partition("\n")[0]
        else:
            if _same(traced, rows):
                return traced, f"{said} read_files, so that a snapshot says where its rows came from"
            why = "read_files finds other values in this file than pandas, which leaves out spaces behind a comma"
        rows = read_by(traced=False)
    return rows, f"{said} pandas, and a snapshot does not say where its rows came from: {why}"


def _same(rows: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether two readers found the same values; the last digit of a float may differ."""
    try:
        pd.testing.assert_frame_equal(rows, others, check_dtype=False, rtol=1e-12)
    except AssertionError:
        return False
    return True
