"""Which code made a result: from git, or from the settings of an image."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tremplin.code_version import code_version
from tremplin.settings import load_settings
from tremplin.workspace import make_workspace


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("code.py", "dvc.lock", "data.parquet.dvc"):
        (tmp_path / name).write_text("1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    assert code_version(load_settings(root=checkout)) == (git(checkout, "rev-parse", "HEAD"), False)


def test_results_and_new_files_do_not_make_it_dirty(checkout: Path) -> None:
    for name in ("dvc.lock", "data.parquet.dvc", "new.txt"):
        (checkout / name).write_text("2")
    assert not code_version(load_settings(root=checkout))[1]


@pytest.mark.parametrize("way", ["edited", "staged", "deleted", "renamed"])
def test_a_tracked_change_makes_it_dirty(checkout: Path, way: str) -> None:
    code = checkout / "code.py"
    if way == "deleted":
        code.unlink()
    elif way == "renamed":
        git(checkout, "mv", "code.py", "dvc.lock.py")
    else:
        code.write_text("2")
        if way == "staged":
            git(checkout, "add", "code.py")
    assert code_version(load_settings(root=checkout))[1]


def test_a_folder_below_sees_the_same_code(checkout: Path) -> None:
    below = checkout / ".tremplin" / "demo"
    below.mkdir(parents=True)
    assert code_version(load_settings(root=below)) == code_version(load_settings(root=checkout))


def test_without_git_the_settings_say_it(tmp_path: Path) -> None:
    assert code_version(load_settings(root=tmp_path, commit="abc", dirty=False)) == ("abc", False)
    assert code_version(load_settings(root=tmp_path, commit="abc", dirty=True)) == ("abc", True)
    assert code_version(load_settings(root=tmp_path)) == ("unknown", True)


def test_a_workspace_is_compared_with_the_commit_file_by_file(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "pilots" / "lamps").mkdir(parents=True)
    (checkout / "pilots" / "lamps" / "model.py").write_text("1")
    (checkout / ".gitignore").write_text(".tremplin/\n")
    for name in ("init -q", "add .", "commit -qm first"):
        git(checkout, *name.split())
    workspace = make_workspace(checkout, checkout / ".tremplin" / "demo")
    commit = git(checkout, "rev-parse", "HEAD")
    assert code_version(load_settings(root=workspace)) == (commit, False)
    (workspace / "pilots" / "lamps" / "model.py").write_text("2")
    assert code_version(load_settings(root=workspace)) == (commit, True)
