"""Workspaces: copies of a checkout's code where demo and automatic retraining work, so that the checkout stays clean."""

from __future__ import annotations

import shutil
from pathlib import Path

from tremplin.git import git
from tremplin.settings import Settings, load_settings

# What of a checkout makes a model.
CODE = ("pilots", "pipelines", "tremplin", "dvc.yaml", ".dvcignore", ".dvc/config", "pyproject.toml")


def make_workspace(checkout: Path, target: Path) -> Path:
    """Bring the code of ``checkout`` (committed or not) into ``target``; what was produced there stays.

    DVC shares the checkout's cache, so that what either of them computed the other need not.
    """
    target.mkdir(parents=True, exist_ok=True)
    for folder in ("pilots", "pipelines", "tremplin"):
        shutil.rmtree(target / folder, ignore_errors=True)
    copy_code(checkout, target, code_files(checkout))
    configuration = target / ".dvc" / "config.local"
    configuration.parent.mkdir(exist_ok=True)
    configuration.write_text(f"[core]\n    no_scm = true\n[cache]\n    dir = {cache_of(checkout)}\n", "utf-8")
    return target


def copy_code(checkout: Path, target: Path, names: list[Path]) -> None:
    """Copy files by their names relative to ``checkout``."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(checkout / name, target / name)


def same_code(checkout: Path, workspace: Path) -> bool:
    """Whether a workspace holds the checkout's code as it is now."""
    return all(
        (workspace / name).is_file() and (workspace / name).read_bytes() == (checkout / name).read_bytes()
        for name in code_files(checkout)
    )


def cache_of(checkout: Path) -> Path:
    """DVC's cache of a checkout or workspace."""
    local = checkout / ".dvc" / "config.local"
    if local.exists():
        for line in local.read_text("utf-8").splitlines():
            if line.strip().startswith("dir ="):
                return Path(line.split("=", 1)[1].strip())
    return checkout / ".dvc" / "cache"


def cached(checkout: Path, md5: str) -> Path:
    """Where that cache keeps the content with the hash ``md5`` (DVC's: a folder's ends in ``.dir``); it may not be there."""
    return cache_of(checkout) / "files" / "md5" / md5[:2] / md5[2:]


def workspace_settings(settings: Settings, root: Path) -> Settings:
    """The same state and services, with the code and the files of another root."""
    return load_settings(**{**settings.model_dump(), "root": root})


def is_code(name: Path) -> bool:
    """Whether a file, by its name relative to a checkout, lies where code lies."""
    return any(name.is_relative_to(code) for code in CODE)


def code_files(checkout: Path) -> list[Path]:
    """Files that are tracked, or new and not ignored; without git, every file that is not a product."""
    listed = git(checkout, "ls-files", "-coz", "--exclude-standard", "--", *CODE)
    if listed:
        return [Path(name) for name in listed.split("\0") if name and (checkout / name).is_file()]
    found = (path for name in CODE for path in [checkout / name, *(checkout / name).rglob("*")])
    return sorted(p.relative_to(checkout) for p in found if p.is_file() and "__pycache__" not in p.parts)
