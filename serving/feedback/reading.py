"""From the bytes of a request to what a route asked for, or to a problem that names field, what was got and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect, Request

from serving.problems import Problem
from serving.request_body import MAX_BYTES, MAX_FAULTS, MISFIT, refuse_repeated, shown
from serving.request_model import MAX_ROWS

NUL = rb"\u0000"
JSON = "application/json"


async def whole_body(request: Request, longest: int = MAX_BYTES) -> bytes:
    """The body, as long as it is not too long.

    Raises:
        Problem: 413 above ``longest`` bytes, 400 where the caller leaves before its end.
    """
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > longest:
                detail = f"At most {longest:,} bytes; send less at a time."
                raise Problem(413, "The body is too long", detail)
            parts.append(part)
    except ClientDisconnect:
        raise Problem(400, "The body is not whole", "The caller left before its end.") from None
    return b"".join(parts)


async def json_body(request: Request, longest: int = MAX_BYTES) -> bytes:
    """The body of a request that says it is JSON; nothing is guessed of one that does not.

    Raises:
        Problem: 415 with the type to send (RFC 9110, section 15.5.16), or as ``whole_body``.
    """
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != JSON:
        detail = f"Send it with Content-Type: {JSON}; got {given[:100] or 'none'}."
        raise Problem(415, "The body is not said to be JSON", detail, {"Accept": JSON})
    return await whole_body(request, longest)


def read_one(body: bytes, adapter: TypeAdapter[Any], expected: Mapping[str, str]) -> dict[str, Any]:
    """One object, validated.

    Args:
        expected: what each of its fields may be, in words.

    Raises:
        Problem: 400 where the body is not JSON, 422 where it does not fit.
    """
    _refuse_nul(body)
    try:
        found: dict[str, Any] = adapter.validate_json(body)
    except ValidationError as error:
        _refuse_no_json(error)
        raise misfit(_faults(0, error, expected)) from None
    refuse_repeated(body)
    return found


def read_many(
    body: bytes, name: str, many: TypeAdapter[Any], one: TypeAdapter[Any], expected: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The objects of ``{name: [...]}``, validated; ``one`` finds the faults of each, so ``many`` may stop at the first.

    Raises:
        Problem: 400 where the body is not JSON, 422 where it does not fit; nothing of it was taken.
    """
    _refuse_nul(body)
    try:
        found: list[dict[str, Any]] = many.validate_json(body)[name]
    except ValidationError as error:
        _refuse_no_json(error)
        if len(error.errors(include_url=False)[0]["loc"]) < 2:  # the list itself, or something beside it
            form = f'{{"{name}": [1 to {MAX_ROWS:,} of them]}} and nothing beside it'
            raise Problem(422, MISFIT, f"A body is one alone, or {form}.") from None
        raise misfit(_faults_of(from_json(body)[name], one, expected)) from None
    refuse_repeated(body)
    return found


def misfit(faults: list[dict[str, Any]]) -> Problem:
    """422 naming every fault: ``row``, ``field``, ``got`` and ``expected``."""
    first = faults[0]
    place = ", ".join(str(first[name]) for name in ("row", "field") if first[name] != "")
    count = f"{len(faults)} fault{'s' if len(faults) != 1 else ''}"
    detail = f"{count}; {place}: got {first['got']}, expected {first['expected']}."
    return Problem(422, MISFIT, detail, errors=faults)


def fault(row: int, field: str, got: Any, expected: str) -> dict[str, Any]:
    """One entry of ``errors``."""
    return {"row": row, "field": field, "got": shown(got), "expected": expected}


def _faults_of(items: list[Any], one: TypeAdapter[Any], expected: Mapping[str, str]) -> list[dict[str, Any]]:
    faults: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        try:
            one.validate_json(to_json(item, inf_nan_mode="constants"))
        except ValidationError as error:
            faults += _faults(index, error, expected)
        if len(faults) >= MAX_FAULTS:
            break
    return faults[:MAX_FAULTS]


def _faults(index: int, error: ValidationError, expected: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for one in error.errors(include_url=False)[:MAX_FAULTS]:
        field = str(one["loc"][0]) if one["loc"] else ""
        whole = f"an object with the fields {', '.join(expected)}"
        wanted = expected.get(field, "no such field") if field else whole
        entry = fault(index, field, one["input"], wanted)
        found.append(entry | {"got": "nothing"} if one["type"] == "missing" else entry)
    return list(
        {(one["field"]): one for one in found}.values()
    )  # a union says its fault once for each of its members


def _refuse_no_json(error: ValidationError) -> None:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        raise Problem(400, "The body is not JSON", first["msg"]) from None


def _refuse_nul(body: bytes) -> None:
    if NUL in body:
        raise Problem(422, MISFIT, "Text may not hold the character U+0000: databases cannot store it.")
