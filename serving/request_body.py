"""From the bytes of a request to validated rows, or to a problem that names row, field, what was got and what is expected."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from serving.body_shape import refuse_shapeless
from serving.problems import Problem
from serving.releases import Servable
from serving.request_model import MAX_ROWS, Row, expected

MAX_BYTES = 8 * 2**20  # MAX_ROWS rows of 1.6 kB
MAX_FAULTS = 20
MANY_FAULTS = 500  # of one row; they are not looked at one by one, which would take a second for 10,000
GOT = 100  # characters of a wrong value that are shown
MISFIT = "The request does not fit the contract"

# No column holds a list, so a body that begins so holds many rows, even if the contract has a column `rows`.
MANY = re.compile(rb'\s*\{\s*"rows"\s*:\s*\[')


def read_rows(body: bytes, servable: Servable) -> tuple[list[Row], bool]:
    """The rows of a body, and whether it is of the form for many.

    Raises:
        Problem: 400 where the body is not JSON, 422 where it does not fit the contract.
    """
    if rb"\u0000" in body:
        raise Problem(422, MISFIT, "Text may not hold the character U+0000: databases cannot store it.")
    found = MANY.match(body)
    many = found is not None
    refuse_shapeless(body, found.end() if found else 0, len(servable.blank), MISFIT)
    try:
        rows = servable.batch.validate_json(body)["rows"] if many else [servable.row.validate_json(body)]
    except ValidationError as error:
        raise _problem(body, servable, many, error) from None
    if not _surely_once(body, many + sum(map(len, rows))):
        refuse_repeated(body)
    width = len(servable.blank)
    return [row if len(row) == width else servable.blank | row for row in rows], many


def _surely_once(body: bytes, names: int) -> bool:
    """Whether the ``names`` that were read are all that the body holds; False where only a slower look can tell.

    Without JSON's four spaces, every name is followed by `":`, which text holds only if it quotes.
    """
    return body.translate(None, b" \t\n\r").count(b'":') == names


def refuse_repeated(body: bytes) -> None:
    """JSON does not say which of two values counts (RFC 8259, section 4), and pydantic would take the last.

    Raises:
        Problem: 422, an object has a name twice.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Problem(422, MISFIT, f"The field {shown(twice)} is there twice; send it once.")
        return found

    json.loads(body, object_pairs_hook=once)


def _problem(body: bytes, servable: Servable, many: bool, error: ValidationError) -> Problem:
    if error.error_count() > MANY_FAULTS:
        return Problem(
            422,
            MISFIT,
            f"A row has {error.error_count():,} faults; it has these fields: {_fields(servable)}.",
        )
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return Problem(400, "The body is not JSON", first["msg"])
    if many and len(first["loc"]) < 2:  # the list itself: empty, too long, or beside something else
        return Problem(
            422, MISFIT, f'A body is one row, or {{"rows": [1 to {MAX_ROWS:,} rows]}} and nothing beside it.'
        )
    rows = from_json(body)["rows"] if many else [from_json(body)]
    faults: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        faults += _faults(index, row, servable)
        if len(faults) >= MAX_FAULTS:
            break
    word = "fault" if len(faults) == 1 else "faults"
    count = f"The first {MAX_FAULTS} {word}" if len(faults) >= MAX_FAULTS else f"{len(faults)} {word}"
    place = ", ".join(str(faults[0][name]) for name in ("row", "field") if faults[0][name] != "")
    shown = f"row {place}: got {faults[0]['got']}, expected {faults[0]['expected']}"
    return Problem(422, MISFIT, f"{count}; {shown}.", errors=faults[:MAX_FAULTS])


def _faults(index: int, row: Any, servable: Servable) -> Iterator[dict[str, Any]]:
    try:
        servable.row.validate_json(to_json(row, inf_nan_mode="constants"))
    except ValidationError as error:
        if error.error_count() > MANY_FAULTS:
            got = f"{error.error_count():,} faults"
            yield {"row": index, "field": "", "got": got, "expected": f"the fields {_fields(servable)}"}
            return
        for found in error.errors(include_url=False):
            yield _fault(index, found, servable)


def _fields(servable: Servable) -> str:
    return ", ".join(column.name for column in servable.contract.request_columns)


def _fault(index: int, found: ErrorDetails, servable: Servable) -> dict[str, Any]:
    if not found["loc"]:
        return {
            "row": index,
            "field": "",
            "got": shown(found["input"]),
            "expected": "an object with the contract's fields",
        }
    field = str(found["loc"][0])
    if found["type"] == "extra_forbidden":
        return {"row": index, "field": field, "got": shown(found["input"]), "expected": "no such field"}
    got = "nothing" if found["type"] == "missing" else shown(found["input"])
    return {"row": index, "field": field, "got": got, "expected": expected(servable.contract.column(field))}


def shown(value: Any) -> str:
    """A value that was got, as JSON, cut to ``GOT`` characters."""
    text = to_json(value, inf_nan_mode="constants", fallback=str).decode()
    return text if len(text) <= GOT else text[:GOT] + "…"
