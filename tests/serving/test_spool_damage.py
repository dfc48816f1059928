"""Torn and damaged bytes: a torn last frame was never acknowledged; of anything else no whole frame is lost, and it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.spool.frames import HEADER, MAGIC, Damage, Frame, make_header, scan
from tests.serving.spool_cases import drain_all, ids, kept_aside, left_by_the_dead, stored
from tremplin.settings import Settings, load_settings

PAYLOADS = [b"first", b"", b"the middle one " + MAGIC + b" names the magic", b"last"]
FRAMES = [make_header(payload, number, 7) + payload for number, payload in enumerate(PAYLOADS)]
WHOLE = b"".join(FRAMES)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of its own."""
    return load_settings(root=tmp_path, spool_fsync="never")


def payloads(data: bytes) -> list[bytes]:
    """Of the whole frames."""
    return [item.payload for item in scan(data, to_the_end=True) if isinstance(item, Frame)]


def damages(data: bytes) -> list[Damage]:
    """All that is no frame."""
    return [item for item in scan(data, to_the_end=True) if isinstance(item, Damage)]


def test_whole_frames_come_back_and_nothing_else() -> None:
    assert payloads(WHOLE) == PAYLOADS
    assert damages(WHOLE) == []
    assert [item.header.sequence for item in scan(WHOLE, to_the_end=True) if isinstance(item, Frame)] == [
        0,
        1,
        2,
        3,
    ]
    assert list(scan(b"", to_the_end=True)) == []


@pytest.mark.parametrize("cut", range(1, len(FRAMES[-1])))
def test_the_last_frame_torn_at_any_byte(cut: int) -> None:
    data = WHOLE[:-cut]
    assert payloads(data) == PAYLOADS[:-1]
    assert [(damage.torn, damage.end) for damage in damages(data)] == [(True, len(data))]


def test_a_file_that_a_power_cut_left_longer_than_its_data_is_torn() -> None:
    assert [damage.torn for damage in damages(WHOLE + bytes(5000))] == [True]


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_anywhere_costs_the_frame_it_is_in(bit: int) -> None:
    for place in range(len(WHOLE)):
        hit = next(n for n in range(len(FRAMES)) if place < sum(map(len, FRAMES[: n + 1])))
        data = bytearray(WHOLE)
        data[place] ^= 1 << bit
        assert payloads(bytes(data)) == PAYLOADS[:hit] + PAYLOADS[hit + 1 :], place
        (damage,) = damages(bytes(data))
        assert not damage.torn, f"{place}: acknowledged, so it is reported"
        assert len(damage.content) == len(FRAMES[hit])


@given(
    st.lists(st.binary(max_size=200), max_size=6),
    st.binary(max_size=200),
    st.integers(0, 6),
    st.integers(1, 300),
)
def test_whatever_lies_between_frames_no_frame_is_lost_however_it_is_read(
    contents: list[bytes], rubbish: bytes, place: int, block: int
) -> None:
    frames = [make_header(content, number, 7) + content for number, content in enumerate(contents)]
    data = b"".join([*frames[:place], rubbish, *frames[place:]])
    assert payloads(data) == contents
    read, start, length = [], 0, block
    while start < len(data):  # as a backlog reads: block by block, longer where nothing whole is in it
        part = data[start : start + length]
        items = list(scan(part, to_the_end=start + length >= len(data)))
        length = block if items else length * 2
        start += items[-1].end if items else 0
        read += [item.payload for item in items if isinstance(item, Frame)]
    assert read == contents


def test_a_torn_last_frame_of_a_dead_worker_is_cut_off_in_silence(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for cut in (1, 40, 10**6):
        segment = left_by_the_dead(settings, *ids(3, f"{cut:07}-"))
        last = segment.read_bytes().rfind(MAGIC)
        os.truncate(segment, max(last + 1, segment.stat().st_size - cut))
    drain = drain_all(settings)
    assert len(stored(settings)) == 6
    assert (drain.damaged, drain.set_aside, caplog.text) == (0, 0, "")
    assert list((settings.spool / settings.pilot).iterdir()) == []


def test_damage_is_set_aside_whole_and_reported_without_what_it_holds(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    segment = left_by_the_dead(settings, *ids(9))
    data = bytearray(segment.read_bytes())
    place = data.find(ids(9)[4].encode())
    data[place] ^= 1
    segment.write_bytes(data)
    drain = drain_all(settings)
    assert stored(settings) == [*ids(9)[:4], *ids(9)[5:]]
    assert drain.damaged == 1
    aside = kept_aside(settings)[".damaged"]
    start = data.rfind(MAGIC, 0, place)
    assert aside == bytes(data[start : start + len(aside)])
    assert len(aside) > HEADER + 200
    assert "damaged bytes" in caplog.text
    assert "prediction_id" not in caplog.text


def test_a_segment_of_rubbish_does_not_hold_up_the_next(settings: Settings) -> None:
    segment = left_by_the_dead(settings, *ids(3))
    segment.rename(segment.with_stem("00000007"))
    segment.with_stem("00000003").write_bytes(os.urandom(3 * 2**20))
    segment.with_stem("00000005").write_bytes(b"")
    drain = drain_all(settings)
    assert stored(settings) == ids(3)
    assert drain.damaged >= 1


def test_a_mark_of_the_drain_that_is_damaged_only_repeats(settings: Settings) -> None:
    segment = left_by_the_dead(settings, *ids(3))
    for mark in (b"", b"\0" * 20, b"\xff" * 20, b"\x01" * 7):
        (segment.parent / "drained").write_bytes(mark)
        content = segment.read_bytes()
        drain_all(settings)
        assert stored(settings) == ids(3)
        segment.parent.mkdir()
        segment.write_bytes(content)
