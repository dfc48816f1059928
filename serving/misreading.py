"""Whether values that are sent by one contract are understood by a model that was trained with another."""

from __future__ import annotations

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

from serving.request_model import expected
from tremplin.column import Column


def misread(sent: Column, read: Column) -> str | None:
    """What is sent by the column ``sent`` and not understood by ``read``, in words; None where everything is.

    A pattern is taken as it is written: whether another one accepts the same texts is not decided.
    """
    takes = SchemaValidator(TypeAdapter(read.value_type).core_schema).isinstance_python
    unknown = [value for value in sent.categories or [] if not takes(value)]
    if unknown and sent.logicalType == read.logicalType:
        return f"{sent.name} may be {', '.join(unknown)}, which is not in its contract"
    if unknown or not _same_meaning(sent, read) or not _as_wide(sent, read):
        return f"{sent.name} is {expected(sent)}, and its contract says {expected(read)}"
    return None


def _same_meaning(sent: Column, read: Column) -> bool:
    return (sent.logicalType, sent.unit) == (read.logicalType, read.unit)


def _as_wide(sent: Column, read: Column) -> bool:
    if sent.nullable and not read.nullable:
        return False
    if sent.categories is not None:  # each was tried
        return True
    if sent.logicalType in ("number", "integer"):
        return read.limits[0] <= sent.limits[0] and sent.limits[1] <= read.limits[1]
    if sent.logicalType != "string":
        return True
    (least, most), (shortest, longest) = sent.lengths, read.lengths
    return (
        read.categories is None
        and read.logicalTypeOptions.pattern in (None, sent.logicalTypeOptions.pattern)
        and (shortest or 0) <= (least or 0)
        and (longest is None or (most is not None and most <= longest))
    )
