"""Drafts: what a killed process left is removed by the next one, what a living process writes is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tremplin.draft import draft_of, write_private


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_is_removed(tmp_path: Path, gone: int) -> None:
    final = tmp_path / "model.onnx"
    (tmp_path / f".model.onnx.{gone}").write_bytes(b"half")
    folder = tmp_path / f".model.onnx.{gone + 10**9}"
    folder.mkdir()
    (folder / "half").touch()
    assert draft_of(final) == tmp_path / f".model.onnx.{os.getpid()}"
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_touched(tmp_path: Path, gone: int) -> None:
    kept = {
        f".model.onnx.{os.getppid()}",  # it lives
        f".model.onnx.{os.getpid()}",
        ".model.onnx.backup",
        f".model.{gone}",
        f".other.{gone}",
        f"model.onnx.{gone}",
        "model.onnx",
    }
    for name in kept:
        (tmp_path / name).touch()
    draft_of(tmp_path / "model.onnx")
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_a_private_file_is_read_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_private(file, b"secret")
    assert file.read_bytes() == b"secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
