"""What no linter checks: tracked files name no package index and no path of one machine; a pilot imports only its API.

Run by `make check`. A lock with an index address in it, or a document with somebody's home directory, works for one
person only.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ("tremplin", "pipelines", "serving", "monitoring", "governance", "benchmarks", "tests")
LARGEST = 2_000_000  # bytes; larger files are data

INDEX = re.compile(
    r"https?://\S+/simple\b"  # the API of a package index
    r"|https?://files\.[\w.-]+"  # the host of its files
    r"|https?://\S+\.(?:whl|tar\.gz)\b"
    r"|--(?:extra-)?index-url\b",
    re.IGNORECASE,
)


def machine_paths() -> re.Pattern[str]:
    """Home directories of anybody, and where this checkout happens to be."""
    here = {str(p) for p in (ROOT, ROOT.parent, Path.home()) if len(p.parts) > 2}
    homes = r"(?<![\w.{}-])/(?:(?:home|Users)/\w[\w.-]*|root)/"
    return re.compile("|".join([homes, *(rf"{re.escape(p)}\b" for p in sorted(here))]))


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def foreign_imports(source: str) -> Iterator[tuple[int, str]]:
    """Imports from the tree that a pilot may not make: everything but tremplin.api."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in TREE and not f"{name}.".startswith("tremplin.api."):
                yield node.lineno, name


def faults(path: Path, machine: re.Pattern[str]) -> Iterator[str]:
    if not path.is_file() or path.stat().st_size > LARGEST:
        return
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return  # a picture or another binary
    name = path.relative_to(ROOT)
    for number, line in enumerate(text.splitlines(), 1):
        if found := INDEX.search(line):
            yield f"{name}:{number}: names a package index: {found.group()[:80]}"
        if found := machine.search(line):
            yield f"{name}:{number}: names a path of one machine: {found.group()[:80]}"
    if name.parts[0] == "pilots" and path.suffix == ".py":
        for number, module in foreign_imports(text):
            yield f"{name}:{number}: a pilot imports {module}; it may import tremplin.api and nothing else of the tree"


def main() -> int:
    files = tracked()
    if not files:
        print("check-tree: not a git checkout, nothing is tracked: skipped")
        return 0
    machine = machine_paths()
    found = [fault for path in files for fault in faults(path, machine)]
    print("\n".join(found) if found else f"check-tree: {len(files)} tracked files, clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
