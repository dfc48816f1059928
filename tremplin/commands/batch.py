"""A file answered as the server answers its callers: validated, drawn, scored, logged; resumable at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic_core import from_json, to_json
from sqlalchemy.engine import Engine

from pipelines.batch.parts import Parts, parts_of
from pipelines.batch.reading import Chunk, Row, read_chunks
from pipelines.batch.writing import LIST, write_rows
from serving.guard import Guard
from serving.live_watch import LiveWatch, State
from serving.metrics import Metrics
from serving.predicting import answer_rows
from serving.problems import Problem
from serving.releases import Servable, interchangeable, open_servable
from serving.request_body import read_rows
from serving.spool.rows import rows_of
from tremplin.contract import Contract
from tremplin.errors import TremplinError
from tremplin.live import Live
from tremplin.release import sha256
from tremplin.settings import Settings
from tremplin.store import insert_once, predictions
from tremplin.target import Task

SHOWN = 20  # faults in a message
FAULTS = {"row": pa.int64(), "column": pa.string(), "got": pa.string(), "expected": pa.string()}

Fault = dict[str, Any]
Progress = Callable[[int, int | None], None]  # rows answered, of how many where that is known


@dataclass(frozen=True)
class BatchFacts:
    """What became of a file."""

    answered: int
    resumed: int  # of these, answered by an earlier run
    set_aside: int  # rows with faults
    faults: Path | None  # where they are told


def predict_file(
    settings: Settings,
    engine: Engine,
    source: Path,
    output: Path,
    *,
    release: str | None,
    set_aside: bool,
    progress: Progress,
) -> BatchFacts:
    """Answer every row of ``source``, in its order, and write ``output`` once all are answered.

    By what is live, chunk by chunk, so that a wave, a rollback or a stop counts from the next chunk on; these answers are in
    the log, each once: an id is made of the file's content, the row, the release and the cohort. By a ``release`` that is
    named instead, as a trial: nothing is logged.

    Raises:
        TremplinError: a row does not fit the contract (and faults are not to be set aside), nothing is live, the file changed
            meanwhile, or another process is at it.
    """
    content = sha256(source)
    task = {
        "pilot": settings.pilot,
        "file": content,
        "release": release,
        "set_aside": set_aside,
        "output": output.suffix,
    }
    with _answering(settings, release) as state, parts_of(output, task) as parts:
        contract = state().champion.contract
        total = None if set_aside else _check(source, state().champion)
        resumed = _answer_chunks(
            source,
            state,
            parts,
            identity=f"{settings.pilot} {content}",
            log=engine if release is None else None,
            set_aside=set_aside,
            total=total,
            progress=progress,
        )
        if sha256(source) != content:
            raise TremplinError(
                f"{source} changed while it was read: nothing was written. Run the same again."
            )
        answered = write_rows(output, _columns(contract), (part["answers"] for part in parts.all()))
        faults = output.with_name(f"{output.stem}.faults.csv")
        faulty = {fault["row"] for part in parts.all() for fault in part["faults"]}
        if faulty:
            write_rows(faults, FAULTS, (part["faults"] for part in parts.all()))
    return BatchFacts(answered, resumed, len(faulty), faults if faulty else None)


@contextmanager
def _answering(settings: Settings, release: str | None) -> Iterator[Callable[[], State]]:
    """What answers now: what is live, followed as each server follows it, or the one release."""
    if release is not None:
        own = open_servable(settings.releases, release, settings.release_public_key, settings.pilot)
        fixed = State(0, Live(champion=release), {release: own}, {release: interchangeable(own, own)})
        yield lambda: fixed
        return
    watch = LiveWatch(settings, Metrics())

    def live() -> State:
        if watch.state is None:
            raise TremplinError(f"Nothing can be predicted: {watch.not_ready}.")
        return watch.state

    watch.start()
    try:
        yield live
    finally:
        watch.stop()


def _check(source: Path, champion: Servable) -> int:
    """How many rows there are, once every one fits the contract."""
    faults: list[Fault] = []
    rows = 0
    for chunk in read_chunks(source, champion.contract):
        faults += islice(_validated(chunk, champion)[1], SHOWN - len(faults))
        if len(faults) >= SHOWN:
            break
        rows += len(chunk.rows)
    if faults:
        _refuse(source, faults)
    return rows


def _refuse(source: Path, faults: Sequence[Fault]) -> None:
    told = [
        f"  row {f['row']:,}, {f['column']}: got {f['got']}, expected {f['expected']}" for f in faults[:SHOWN]
    ]
    count = (
        f"The first {SHOWN} faults"
        if len(faults) >= SHOWN
        else f"{len(faults)} fault{'s' * (len(faults) > 1)}"
    )
    raise TremplinError(
        "\n".join(
            [
                f"{source} does not fit the contract, and nothing was answered. {count} (rows counted from 1):",
                *told,
            ]
        )
        + "\nMend the rows, or answer the others with --on-fault set-aside."
    )


def _answer_chunks(
    source: Path,
    state: Callable[[], State],
    parts: Parts,
    *,
    identity: str,
    log: Engine | None,
    set_aside: bool,
    total: int | None,
    progress: Progress,
) -> int:
    """Answer what is not answered yet; how many rows were."""
    resumed, guard = 0, Guard()  # its own: a batch is no measure of how fast a challenger answers callers
    for chunk in read_chunks(source, state().champion.contract):
        known = parts.has(chunk.number)
        if not known:
            now = state()
            rows, faults = _validated(chunk, now.champion)
            if faults and not set_aside:
                _refuse(source, faults)
            parts.keep(chunk.number, _answered(rows, faults, now, guard, identity))
        part = parts.read(chunk.number)
        if log is not None:  # what an earlier run kept may not have reached the store
            insert_once(log, predictions, rows_of(to_json(part["log"])))
        resumed += len(chunk.rows) if known else 0
        progress(chunk.first - 1 + len(chunk.rows), total)
    return resumed


def _validated(chunk: Chunk, servable: Servable) -> tuple[list[tuple[int, Row]], list[Fault]]:
    """The rows that fit, with their numbers, and what is wrong with the others."""
    try:
        rows, _ = read_rows(to_json({"rows": chunk.rows}, inf_nan_mode="constants"), servable)
        return list(enumerate(rows, chunk.first)), []
    except Problem:
        pass
    fitting, faults = [], []
    for number, row in enumerate(chunk.rows, chunk.first):
        try:
            ((read,), _) = read_rows(to_json(row, inf_nan_mode="constants"), servable)
            fitting.append((number, read))
        except Problem as problem:
            unsaid = [{"field": "", "got": "this row", "expected": str(problem)}]
            faults += [
                _fault(number, found, servable.contract) for found in problem.document.get("errors", unsaid)
            ]
    return fitting, faults


def _fault(number: int, found: dict[str, Any], contract: Contract) -> Fault:
    """One fault, without a value that is somebody's."""
    name, got = found["field"], found["got"]
    if name and contract.column(name).of_people and got not in ("nothing", "null"):
        got = "a value that is not shown"
    return {"row": number, "column": name, "got": got, "expected": found["expected"]}


def _answered(
    rows: list[tuple[int, Row]], faults: list[Fault], state: State, guard: Guard, content: str
) -> dict[str, Any]:
    """What is kept of a chunk: the answers, and their entries in the log."""
    try:
        answered = answer_rows([row for _, row in rows], state, None, guard)
    except Problem as problem:
        raise TremplinError(f"{problem.document['title']}. {problem}") from problem
    log = from_json(answered.record)
    for (number, _), answer, entry in zip(rows, answered.answers, log, strict=True):
        identity = _identity(f"{content} {number} {answer['release']} {answer['cohort']}")
        answer["prediction_id"] = entry["prediction_id"] = identity
    return {"answers": answered.answers, "log": log, "faults": faults}


def _identity(text: str) -> str:
    """A UUID of version 8 (RFC 9562) in hexadecimal: 122 bits of SHA-256."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76  # version
    return f"{number & ~(0x3 << 62) | 0x2 << 62:032x}"  # variant


def _columns(contract: Contract) -> dict[str, pa.DataType]:
    """What is written of an answer."""
    said = (
        {"score": pa.float64(), "decision": pa.bool_()}
        if contract.task is Task.CLASSIFICATION
        else {"value": pa.float64()}
    )
    text = pa.string()
    return {
        "key": text, **said, "excluded": text, "out_of_range": LIST, "review": text, "release": text, "cohort": text,
        "prediction_id": text,
    }  # fmt: skip
