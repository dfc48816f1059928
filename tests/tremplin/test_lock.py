"""What identifies a result, read from `dvc.lock` without DVC; the hashes are DVC's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tremplin.canonical import canonical, digest
from tremplin.errors import TremplinError
from tremplin.lock import changed_since, md5_by_dvc, md5_of, result_hash, stages

GRAPH = """
stages:
  make:
    foreach: [one, two]
    do:
      cmd: mkdir -p out/${item}/b && cp in.txt out/${item}/b/x.txt && cp in.txt out/${item}/a.txt && echo ${item} > ${item}.txt
      deps: [in.txt]
      outs: ["out/${item}", "${item}.txt"]
"""


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which DVC itself made two results and their lock."""
    root = tmp_path_factory.mktemp("dvc")
    (root / "in.txt").write_text("é\r\n")
    (root / "dvc.yaml").write_text(GRAPH)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=root, check=True)
    return root


def test_files_and_folders_have_the_hash_that_dvc_gave_them(reproduced: Path) -> None:
    expected = md5_of(reproduced, "one")
    assert set(expected) == {"in.txt", "out/one", "one.txt"}
    assert {path: md5_by_dvc(reproduced / path) for path in expected} == expected
    assert changed_since(reproduced, "one", code=True) == []


def test_a_change_is_named(reproduced: Path) -> None:
    made, read = reproduced / "out" / "two" / "b" / "x.txt", reproduced / "in.txt"
    before = made.read_bytes(), read.read_bytes()
    try:
        made.unlink()
        read.write_text("other")
        assert changed_since(reproduced, "two", code=True) == ["in.txt", "out/two"]
        assert changed_since(reproduced, "two", code=False) == ["out/two"]
        assert changed_since(reproduced, "one", code=False) == []
    finally:
        made.write_bytes(before[0])
        read.write_bytes(before[1])


def test_a_result_is_its_pilots_entries_alone(reproduced: Path, tmp_path: Path) -> None:
    lock = yaml.safe_load((reproduced / "dvc.lock").read_text())
    one = result_hash(reproduced, "one")
    assert one != result_hash(reproduced, "two")
    lock["stages"]["make@two"]["cmd"] = "another"
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert result_hash(tmp_path, "one") == one
    assert result_hash(tmp_path, "two") != result_hash(reproduced, "two")


def test_what_cannot_be_read_is_said(reproduced: Path, tmp_path: Path) -> None:
    with pytest.raises(TremplinError, match=r"dvc\.lock cannot be read .* Run `dvc repro` first"):
        result_hash(tmp_path, "one")
    with pytest.raises(TremplinError, match="no result of the pilot three"):
        result_hash(reproduced, "three")
    for text in ("- a list", "stages: [", "just words"):
        with pytest.raises(TremplinError, match="not a lock of DVC's"):
            stages(text, "one")


def test_canonical_json_does_not_depend_on_order_and_refuses_what_has_no_form() -> None:
    assert canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})
