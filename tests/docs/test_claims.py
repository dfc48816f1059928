"""The documents name only what exists: tests, files, commands; and both READMEs say the same things."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", ROOT / "README.fr.md"]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
# The word `tremplin` as a command: at the beginning of some code, after a prompt, a path, or a time.
COMMAND = re.compile(r"(?:^|\$ |bin/|time )tremplin((?: +[^\s`#|&;]+)*)", re.MULTILINE)
MAKE = re.compile(r"(?:^|[\s`])make((?: +[A-Z_]+=\S+)*) +([a-z-]+)", re.MULTILINE)


def pieces_of_code(path: Path) -> list[str]:
    """Blocks and spans of code, without their fences."""
    return [re.sub(r"^```\w*\n|^`|`+$", "", code) for code in CODE.findall(path.read_text("utf-8"))]


@cache
def functions(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


@cache
def commands() -> dict[str, list[str]]:
    """Every command of tremplin, with its sub-commands."""
    from tremplin.cli import app

    group = typer.main.get_command(app)
    return {
        name: sorted(getattr(command, "commands", {}))
        for name, command in getattr(group, "commands", {}).items()
    }


def names(path: Path) -> set[str]:
    """Commands of tremplin that a document names, with their sub-commands: ``rollout next``."""
    found = set()
    for code in pieces_of_code(path):
        for rest in COMMAND.findall(code):
            words = [word for word in rest.split() if re.fullmatch(r"[a-z]+", word)]
            if words and rest.split()[0] == words[0]:
                found.add(" ".join(words[: 2 if commands().get(words[0]) else 1]))
    return found


def targets(path: Path) -> set[str]:
    """Targets of the Makefile that a document names."""
    return {target for code in pieces_of_code(path) for _, target in MAKE.findall(code)}


def test_every_test_that_a_claim_names_exists() -> None:
    text = (ROOT / "docs" / "claims.md").read_text("utf-8")
    named = re.findall(r"\[`([\w/]+\.py)::(\w+)`\]", text)
    missing = [f"{file}::{test}" for file, test in named if not (ROOT / "tests" / file).exists()]
    missing += [
        f"{file}::{test}"
        for file, test in named
        if (ROOT / "tests" / file).exists() and test not in functions(ROOT / "tests" / file)
    ]
    assert len(named) > 50
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_local_link_and_picture_is_there(path: Path) -> None:
    local = [
        link
        for link in LINK.findall(path.read_text("utf-8"))
        if "://" not in link and not link.startswith("#")
    ]
    assert [link for link in local if not (path.parent / link.split("#")[0]).exists()] == []


def test_every_picture_is_shown_and_small() -> None:
    pictures = set((ROOT / "docs" / "images").glob("*.png"))
    shown = {
        (path.parent / link).resolve()
        for path in DOCUMENTS
        for link in LINK.findall(path.read_text("utf-8"))
        if link.endswith(".png")
    }
    assert pictures == shown
    assert [p.name for p in pictures if p.stat().st_size > 250_000] == []


def test_both_readmes_have_the_same_headings_links_and_commands() -> None:
    english, french = (path.read_text("utf-8") for path in READMES)
    levels = [re.findall(r"^(#+) ", text, re.MULTILINE) for text in (english, french)]
    assert levels[0] == levels[1]
    links = [sorted(set(LINK.findall(text)) - {"README.md", "README.fr.md"}) for text in (english, french)]
    assert links[0] == links[1]
    assert names(READMES[0]) == names(READMES[1])
    assert targets(READMES[0]) == targets(READMES[1])


def test_the_readme_names_every_command() -> None:
    assert {name.split()[0] for name in names(READMES[0])} == set(commands())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_named_exists(path: Path) -> None:
    known = {*commands(), *(f"{name} {sub}" for name, subs in commands().items() for sub in subs)}
    assert names(path) <= known


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert targets(path) <= known
