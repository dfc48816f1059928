"""Values as Python code, in lines that the formatter leaves alone, and templates filled with them."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).parent / "templates"
WIDTH = 110  # of a line


def filled(template: str, **values: str) -> str:
    return Template((TEMPLATES / f"{template}.txt").read_text("utf-8")).substitute(values)


def text(value: str) -> str:
    """As Python writes it; spaces that only look like one are spelled out."""
    return re.sub(r"[^\S ]", lambda space: f"\\u{ord(space[0]):04x}", json.dumps(value, ensure_ascii=False))


def listed(items: Sequence[str]) -> str:
    return f"[{', '.join(map(text, items))}]"


def parenthesised(items: Sequence[str]) -> str:
    return f"({', '.join(map(text, items))}{',' * (len(items) == 1)})"


def indented(lines: Sequence[str]) -> str:
    return textwrap.indent("\n".join(lines), "    ")


def sequence(name: str, items: Sequence[str]) -> str:
    return _wrapped(name, "[", [text(item) for item in items], "]")


def mapping(name: str, items: dict[str, str | None] | dict[str, str], note: str = "") -> str:
    spelled = [f"{text(key)}: {text(value) if value is not None else 'None'}" for key, value in items.items()]
    return _wrapped(name, "{", spelled, "}", note)


def _wrapped(name: str, opening: str, items: list[str], closing: str, note: str = "") -> str:
    """An assignment on one line, or on as many as it takes."""
    line = f"{name} = {opening}{', '.join(items)}{closing}{note}"
    if len(line) <= WIDTH:
        return line
    lines, current = [], "   "
    for item in items:
        if len(current) + len(item) + 2 > WIDTH:
            lines.append(current)
            current = "   "
        current += f" {item},"
    return "\n".join([f"{name} = {opening}{note}", *lines, current, f"{closing}  # fmt: skip"])


def sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."
