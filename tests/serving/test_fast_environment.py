"""The server's environment, made of what its locks name and nothing else: the fast path is there, SciPy and its like are not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from pipelines.replaying import request_rows
from tests.conftest import ReleaseFactory
from tests.results import ROOT

ABSENT = {"dvc", "evidently", "mlflow", "pandas", "prefect", "scipy", "sklearn", "shap", "joblib"}
PROGRAM = """
import importlib, json, pkgutil, sys
from pathlib import Path
root, identity, key, row = json.loads(sys.argv[1])
from serving.releases import open_servable
servable = open_servable(Path(root), identity, Path(key), "flights")
answer = [servable.path, servable.score_row(row), servable.explain(row).margin]
import serving.app
loaded = {name.partition(".")[0] for name in sys.modules}
found = {module.name for module in pkgutil.iter_modules()}
print(json.dumps([answer, sorted(loaded), sorted(found)]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation of the locks would hold: links to the same files in this environment."""
    folder = tmp_path_factory.mktemp("site")
    for lock in ("serving.txt", "serving-bare.txt"):
        text = re.sub(r"\\\n", " ", (ROOT / "locks" / lock).read_text("utf-8"))
        for entry in text.splitlines():
            wanted = Requirement(entry.split(" --hash=")[0].strip())
            if wanted.marker is None or wanted.marker.evaluate():
                link(wanted.name, folder)
    for package in ("serving", "tremplin"):
        (folder / package).symlink_to(ROOT / package)
    return folder


def link(name: str, folder: Path) -> None:
    made = distribution(name)
    for top in {file.parts[0] for file in made.files or () if file.parts[0] not in ("..", "__pycache__")}:
        if not (folder / top).exists():
            (folder / top).symlink_to(Path(str(made.locate_file(top))))


def test_a_server_answers_and_explains_with_what_its_locks_name(
    site: Path, release_factory: ReleaseFactory, tmp_path: Path
) -> None:
    release = release_factory(tmp_path)
    row = request_rows(release_factory.rows.head(1), release_factory.pilot.contract)[0]
    asked = json.dumps([str(tmp_path), release.id, str(release_factory.public_key), row], default=str)
    run = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM, asked],
        env={"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (path, score, margin), loaded, found = read(run.stdout)
    assert path == "fast"
    assert 0 < score < 1
    assert isinstance(margin, float)
    assert ABSENT.isdisjoint(found)
    assert "lightgbm" in found
    assert "lightgbm" not in loaded


def read(said: str) -> Any:
    return json.loads(said.splitlines()[-1])
