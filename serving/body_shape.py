"""A look at a body before it is validated: what cannot be a row is refused for what a glance costs.

A validator tells a fault with the value that has it, and a missing field with the whole row. Of a row that holds a million lists
it makes as many copies as there are faults, for seconds, and nobody else is answered meanwhile.
"""

from __future__ import annotations

import re
from typing import Any

from serving.problems import Problem

FEW = 64  # lists and objects within rows, or fields too many, that are left to the validator: it names each
TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
NESTED = re.compile(rb":\s*[\[{]")  # a value that begins a list or an object
NAME = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*$')


def refuse_shapeless(body: bytes, head: int, fields: int, misfit: str) -> None:
    """Refuse lists and objects as values, and rows with far too many fields.

    Args:
        head: where the rows begin: behind the list's bracket, or 0 for one row.
        fields: of a row.
        misfit: the problem's title.

    Raises:
        Problem: 422; row and field of the first such value are named.
    """
    lists, objects = body.count(b"[", head), body.count(b"{", head)
    if lists + objects - 1 <= FEW and body.count(b'":', head) <= FEW * fields:
        return  # too little to cost anything
    if not head and objects == 1 and not lists and body.count(b'":') <= fields + FEW:
        return
    plain = TEXT.sub(lambda text: b" " * len(text.group()), body)  # texts may hold brackets
    lists, objects = plain.count(b"[", head), plain.count(b"{", head)
    nested = NESTED.search(plain, head)
    if nested and lists + objects > FEW:
        raise _nested(body, plain, nested.start(), head, misfit)
    names = plain.count(b":", head)
    if names > fields * max(objects, 1) + FEW:
        detail = f"{names:,} fields in {objects:,} rows; a row has {fields}, see /openapi.json."
        raise Problem(422, misfit, detail)


def _nested(body: bytes, plain: bytes, place: int, head: int, misfit: str) -> Problem:
    row = plain.count(b"}", head, place)
    name = NAME.search(body[head:place][-1000:])
    fault: dict[str, Any] = {
        "row": row,
        "field": name.group(1).decode(errors="replace")[:100] if name else "",
        "got": "a list or an object",
        "expected": "one value: no column holds a list or an object",
    }
    shown = f"row {row}, {fault['field']}: got {fault['got']}, expected {fault['expected']}"
    return Problem(422, misfit, f"The first fault; {shown}.", errors=[fault])
