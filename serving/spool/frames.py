"""Frames: how records lie in a segment, so that each can be known whole, torn or damaged.

A frame is a header of 32 bytes and the payload. Little-endian: magic, payload's length (32 bit), sequence number within the
worker (64), nanoseconds since 1970 (64), CRC-32 of the payload, CRC-32 of the header before it. The header has a checksum of
its own so that a length is believed only when it is whole: a flipped bit in it is told apart from a frame that a crash tore.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

MAGIC = b"\xf5TSP"  # 0xf5 is in no UTF-8 text, so in no JSON
_FIELDS = struct.Struct("<4sIQQI")
_CHECK = struct.Struct("<I")
HEADER = _FIELDS.size + _CHECK.size


@dataclass(frozen=True, slots=True)
class Header:
    """What a whole header says."""

    length: int  # of the payload, bytes
    sequence: int  # counts the worker's frames from 0
    moment: int  # nanoseconds since 1970
    checksum: int  # of the payload


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame; ``end`` is the place behind it."""

    end: int
    header: Header
    payload: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no frame; ``torn`` if they look as a crash within a write leaves them."""

    end: int
    content: bytes
    torn: bool = False


def make_header(payload: bytes, sequence: int, moment: int) -> bytes:
    """The header that goes before a payload."""
    fields = _FIELDS.pack(MAGIC, len(payload), sequence, moment, crc32(payload))
    return fields + _CHECK.pack(crc32(fields))


def read_header(data: bytes, start: int = 0) -> Header | None:
    """The header at ``start``; None if there is no whole one."""
    if len(data) - start < HEADER:
        return None
    magic, length, sequence, moment, checksum = _FIELDS.unpack_from(data, start)
    (check,) = _CHECK.unpack_from(data, start + _FIELDS.size)
    if magic != MAGIC or check != crc32(data[start : start + _FIELDS.size]):
        return None
    return Header(length, sequence, moment, checksum)


def scan(data: bytes, *, to_the_end: bool) -> Iterator[Frame | Damage]:
    """Frames in their order, and what lies between them.

    Args:
        data: bytes of a segment, from the beginning of a frame.
        to_the_end: whether nothing follows in the segment; else an incomplete frame at the end is left for the next look.
    """
    start = 0
    while start < len(data):
        header = read_header(data, start)
        if header is None:
            end = _next_header(data, start + 1)
            if end is None and to_the_end:
                rest = data[start:]
                yield Damage(len(data), rest, torn=len(rest) < HEADER or not rest.strip(b"\0"))
                return
            if end is None:
                end = len(data) - HEADER + 1  # a header may begin in the last bytes
                if end <= start:
                    return
            yield Damage(end, data[start:end])
        else:
            end = start + HEADER + header.length
            if end > len(data):
                if to_the_end:
                    yield Damage(len(data), data[start:], torn=True)
                return
            payload = data[start + HEADER : end]
            whole = crc32(payload) == header.checksum
            yield Frame(end, header, payload) if whole else Damage(end, data[start:end])
        start = end


def _next_header(data: bytes, start: int) -> int | None:
    while (start := data.find(MAGIC, start)) >= 0:
        if read_header(data, start):
            return start
        start += 1
    return None
