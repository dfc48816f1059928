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


def write(root: Path, name: str, text: str = "2") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    return root / name


@pytest.mark.parametrize(
    "name",
    [
        "dvc.lock",
        "data.parquet.dvc",
        "new.txt",
        "reports/new.json",
        "pilots/rows.parquet.dvc",
        "pilots/a.log",
    ],
)
def test_results_and_files_beside_the_code_do_not_make_it_dirty(checkout: Path, name: str) -> None:
    write(checkout, ".git/info/exclude", "*.log\n")
    write(checkout, name)
    assert not code_version(load_settings(root=checkout))[1]


@pytest.mark.parametrize(
    "name", ["pilots/bikes/model.py", "pilots/bikes/déjà vu.yaml", "tremplin/new.py", "dvc.yaml"]
)
def test_code_that_is_in_no_commit_makes_it_dirty_until_it_is(checkout: Path, name: str) -> None:
    write(checkout, name)
    assert code_version(load_settings(root=checkout))[1]
    git(checkout, "add", ".")
    assert code_version(load_settings(root=checkout))[1], "staged is not committed"
    git(checkout, "commit", "-qm", "second")
    assert not code_version(load_settings(root=checkout))[1]


@pytest.mark.parametrize(
    "name",
    [
        "pilots/bikes/secret.py",
        "pilots/bikes/local/secret.py",
        "pilots/bikes/secret.pyc",
        "tremplin/secret.py",
        "secret.py",
        "helpers/secret.py",
    ],
)
@pytest.mark.parametrize("ignored_in", [".gitignore", ".git/info/exclude", "pilots/bikes/.gitignore"])
def test_what_can_be_imported_is_seen_though_git_ignores_it(
    checkout: Path, name: str, ignored_in: str
) -> None:
    write(checkout, "pilots/bikes/model.py")
    write(checkout, ignored_in, "secret*\nlocal/\n*.log\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "second")
    for harmless in (
        "pilots/bikes/__pycache__/secret.pyc",
        ".venv/lib/secret.py",
        "secret.txt",
        "pilots/bikes/a.log",
    ):
        write(checkout, harmless)
    write(
        checkout,
        ".git/info/exclude",
        f"{(checkout / '.git/info/exclude').read_text()}\n.venv/\n__pycache__/\nsecret*\n",
    )
    assert not code_version(load_settings(root=checkout))[1]
    write(checkout, name)
    assert code_version(load_settings(root=checkout))[1]
    git(checkout, "add", "-f", name)
    git(checkout, "commit", "-qm", "third")
    assert not code_version(load_settings(root=checkout))[1]


def test_a_link_to_code_elsewhere_is_seen_though_git_ignores_it(checkout: Path, tmp_path: Path) -> None:
    write(checkout, ".git/info/exclude", "pilots/\n")
    (checkout / "pilots").mkdir()
    (checkout / "pilots" / "lib").symlink_to("/usr")
    assert code_version(load_settings(root=checkout))[1]


@pytest.mark.parametrize(
    ("name", "dirty"),
    [
        ("project/pilots/new.yaml", True),
        ("project/new.txt", False),
        ("pilots/new.yaml", False),
        ("other.py", False),
    ],
)
def test_a_project_below_the_top_of_its_repository_knows_its_own_code(
    checkout: Path, name: str, dirty: bool
) -> None:
    write(checkout, "project/pilots/bikes/model.py")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "second")
    assert not code_version(load_settings(root=checkout / "project"))[1]
    write(checkout, name)
    assert code_version(load_settings(root=checkout / "project"))[1] is dirty


def test_a_commit_that_names_a_pilot_and_lacks_its_files_is_not_its_code(checkout: Path) -> None:
    write(checkout, "pilots/flights/model.py")
    write(checkout, "dvc.yaml", "pilots: [flights]")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "flights")
    write(checkout, "pilots/bikes/model.py")
    write(checkout, "dvc.yaml", "pilots: [flights, bikes]")
    git(checkout, "commit", "-qam", "add bikes")  # leaves out what git does not know
    assert code_version(load_settings(root=checkout))[1]


def test_what_git_does_not_tell_is_not_clean(checkout: Path) -> None:
    (checkout / ".git" / "index").write_bytes(b"damaged")
    assert code_version(load_settings(root=checkout))[1]


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


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    checkout = tmp_path / "checkout"
    write(checkout, "pilots/lamps/model.py", "1")
    write(checkout, ".gitignore", ".tremplin/\n*.log\nsecret.py\n")
    for name in ("init -q", "add .", "commit -qm first"):
        git(checkout, *name.split())
    return make_workspace(checkout, checkout / ".tremplin" / "demo")


def test_a_workspace_is_compared_with_the_commit_file_by_file(workspace: Path) -> None:
    commit = git(workspace, "rev-parse", "HEAD")
    assert code_version(load_settings(root=workspace)) == (commit, False)
    write(workspace, "pilots/lamps/model.py")
    assert code_version(load_settings(root=workspace)) == (commit, True)


@pytest.mark.parametrize(
    ("name", "dirty"),
    [
        ("pilots/bikes/model.py", True),
        ("pilots/lamps/new.py", True),
        ("pilots/lamps/rows.parquet.dvc", False),
        ("pilots/lamps/a.log", False),  # the checkout ignores it
        ("pilots/lamps/secret.py", True),  # this, too, and it can be imported
        ("helpers/new.py", True),
        ("pilots/lamps/__pycache__/model.pyc", False),
        ("models/lamps/model.onnx", False),
    ],
)
def test_a_workspace_is_compared_with_what_the_commit_lacks(workspace: Path, name: str, dirty: bool) -> None:
    write(workspace, name)
    assert code_version(load_settings(root=workspace))[1] is dirty


def test_a_workspace_of_code_that_was_never_committed_is_dirty(workspace: Path) -> None:
    checkout = workspace.parents[1]
    write(checkout, "pilots/bikes/model.py")
    make_workspace(checkout, workspace)
    assert code_version(load_settings(root=workspace))[1]
