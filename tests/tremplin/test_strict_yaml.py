"""YAML read strictly: every fault with its file, line and value."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from tremplin.contract import Strict
from tremplin.errors import ConfigurationError
from tremplin.strict_yaml import line_of, load, read


class Part(Strict):
    size: int
    kind: Literal["a", "b"] = "a"


class Whole(Strict):
    name: str
    parts: list[Part]


def faults(tmp_path: Path, text: str | bytes) -> list[tuple[int | None, str]]:
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as caught:
        load(path, Whole)
    assert all(fault.file == path for fault in caught.value.faults)
    assert str(path) in str(caught.value)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_what_fits_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: x\nparts:\n  - size: 1\n  - {size: 2, kind: b}\n")
    assert load(tmp_path / "a.yaml", Whole) == Whole(name="x", parts=[Part(size=1), Part(size=2, kind="b")])


def test_all_faults_are_named_at_once_each_with_its_line_and_value(tmp_path: Path) -> None:
    text = "nane: x\nparts:\n  - size: many\n  - kind: c\n    size: 2\n"
    found = faults(tmp_path, text)
    assert (1, "`name` is missing") in found
    assert (1, "`nane` is not a known key") in found
    assert any(
        line == 3 and "`parts.0.size`" in message and "got 'many'" in message for line, message in found
    )
    assert any(line == 4 and "`parts.1.kind`" in message and "got 'c'" in message for line, message in found)
    assert len(found) == 4


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"1 fault to mend:\n.*none\.yaml: the file is missing"):
        load(tmp_path / "none.yaml", Whole)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name: x\nparts: [\n", 3, "not YAML"),
        ("name: x\nname: y\nparts: []\n", 2, "the key `name` is there twice"),
        ("", None, "the file is empty"),
        ("- 1\n", 1, "`the document`"),
        (b"name: \xff\n", None, "not UTF-8"),
    ],
)
def test_what_is_no_clean_yaml(tmp_path: Path, text: str | bytes, line: int | None, message: str) -> None:
    [(found_line, found_message)] = faults(tmp_path, text)
    assert found_line == line
    assert message in found_message


def test_the_line_of_a_key_that_is_missing_is_its_parents(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: x\nparts:\n  - size: 1\n")
    _, lines = read(tmp_path / "a.yaml")
    assert line_of(lines, ("parts", 0, "size")) == 3
    assert line_of(lines, ("parts", 0, "kind")) == 3
    assert line_of(lines, ("parts", 7)) == 2
    assert line_of({}, ("parts",)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: 2013-02-30\n", "a value cannot be read"),
        ("name: !foo 1\n", "not YAML"),
        ("name: !!python/object:os.system {}\n", "not YAML"),
        ("name: x\nparts: &a [*a]\n", "a value contains itself"),
        ("? [a, b]\n: 1\n", "not YAML"),
        ("<<: 3\n", "not YAML"),
    ],
)
def test_what_yaml_allows_and_a_file_of_ours_does_not(tmp_path: Path, text: str, message: str) -> None:
    found = faults(tmp_path, text)
    assert len(found) == 1
    assert message in found[0][1]
