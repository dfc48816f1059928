"""The columns of a fast form as functions of one value."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from tremplin.fast_form import Codes, Curve

NAN = float("nan")
_SINGLE = struct.Struct("=f")


def function_of(column: Codes | Curve) -> Callable[[Any], float]:
    """The column's value for a feature's value; None is a missing one."""
    return _coded(column) if isinstance(column, Codes) else _drawn(column)


def _coded(codes: Codes) -> Callable[[Any], float]:
    other = _number(codes.other)
    values: dict[str | None, float] = {text: _number(value) for text, value in codes.values.items()}
    values[None] = values.get("", other)
    known = values.get

    def code(text: str | None) -> float:
        return known(text, other)

    return code


def _drawn(curve: Curve) -> Callable[[Any], float]:
    slope, offset, edges, heights = curve.slope, curve.offset, curve.edges, curve.heights
    missing = _number(curve.missing)
    pack, unpack = _SINGLE.pack, _SINGLE.unpack
    if not edges:
        base = offset + heights[0]

        def line(value: float | None) -> float:
            if value is None:
                return missing
            (single,) = unpack(pack(value))
            return float(slope * single + base)

        return line

    def steps(value: float | None) -> float:
        if value is None:
            return missing
        (single,) = unpack(pack(value))
        return float(slope * single + offset + heights[bisect_right(edges, single)])

    return steps


def _number(value: float | None) -> float:
    return NAN if value is None else value
