"""`tremplin image`, against a real registry: what is pushed, that it is always the same, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ReleaseFactory
from tests.registry import PASSWORD, USER, Registry, registry
from tests.tremplin_cli import CHECKOUT, tremplin
from tremplin.live import Live, change
from tremplin.release import Release
from tremplin.settings import Settings, load_settings
from tremplin.store import open_store


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as running:
        running.push_base("tremplin/base:1")
        yield running


@pytest.fixture
def carried(settings: Settings, release_factory: ReleaseFactory) -> list[Release]:
    """A champion and its challenger, halfway through a rollout, and what was live before."""
    releases = [release_factory(settings.releases, threshold=t) for t in (0.3, 0.4, 0.5, 0.6)]
    champion, challenger, previous, _neither = (release.id for release in releases)
    live = Live(champion=champion, challenger=challenger, previous=previous, share=0.5, rollout_key="k")
    change(open_store(settings), "flights", live, by="test", reason="test")
    return releases


def image(settings: Settings, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return tremplin(
        CHECKOUT,
        "image",
        *words,
        TREMPLIN_HOME=str(settings.home),
        TREMPLIN_RELEASE_PUBLIC_KEY=str(settings.release_public_key),
        **variables,
    )


def pushed(settings: Settings, base: str, to: str) -> str:
    """The digest."""
    done = image(settings, "--base", base, "--to", to, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["image"] == f"{to.rpartition(':')[0]}@{said['digest']}"
    return str(said["digest"])


def test_the_image_is_the_base_and_one_layer_with_the_releases_that_are_live(
    hub: Registry, settings: Settings, carried: list[Release]
) -> None:
    digest = pushed(settings, f"{hub.host}/tremplin/base:1", f"{hub.host}/tremplin/serving:1")
    sent, manifest, config = hub.image("tremplin/serving:1")
    assert digest == f"sha256:{hashlib.sha256(sent).hexdigest()}"
    _, below, below_config = hub.image("tremplin/base:1")
    assert manifest["layers"][:-1] == below["layers"]
    assert config["rootfs"]["diff_ids"][:-1] == below_config["rootfs"]["diff_ids"]
    assert config["config"]["User"] == "10001"
    assert config["config"]["Env"] == ["PATH=/bin", "TREMPLIN_PILOT=flights"]
    assert config["config"]["Labels"]["kept"] == "yes"
    assert config["config"]["Labels"]["io.tremplin.champion"] == carried[0].id
    found = hub.layer("tremplin/serving", manifest["layers"][-1]["digest"])
    files = {name: content for name, (entry, content) in found.items() if entry.isfile()}
    expected = {
        f"releases/{release.id}/{path.relative_to(release.path)}": path.read_bytes()
        for release in carried[:3]
        for path in release.path.rglob("*")
        if path.is_file()
    }
    expected["releases/release.pub"] = settings.release_public_key.read_bytes()
    seed = files.pop("releases/live.json")
    assert files == expected
    # A rollout stays where it is: elsewhere the champion answers alone.
    assert json.loads(seed) == {
        "champion": carried[0].id,
        "previous": carried[2].id,
        "share": 0.0,
        "rollout_key": "",
        "halted": False,
    }
    for entry, _ in found.values():
        assert (entry.mtime, entry.uid, entry.gid) == (0, 0, 0)
        assert entry.mode == (0o755 if entry.isdir() else 0o644)


def test_the_same_releases_on_the_same_base_give_the_same_digest_wherever_it_goes(
    hub: Registry, settings: Settings, carried: list[Release], tmp_path: Path
) -> None:
    base = f"{hub.host}/tremplin/base:1"
    first = pushed(settings, base, f"{hub.host}/one:1")
    for path in settings.releases.rglob("*"):
        path.chmod(0o700)
        path.touch()
    assert pushed(settings, base, f"{hub.host}/one:1") == first
    assert pushed(settings, base, f"{hub.host}/another/place:2") == first
    archive = tmp_path / "image.tar"
    done = image(settings, "--base", base, "--output", str(archive), "--json")
    assert json.loads(done.stdout)["digest"] == first
    before = archive.read_bytes()
    assert image(settings, "--base", base, "--output", str(archive)).returncode == 0
    assert archive.read_bytes() == before
    live = Live(champion=carried[1].id)
    change(open_store(settings), "flights", live, by="test", reason="another")
    assert pushed(settings, base, f"{hub.host}/one:1") != first


def test_an_archive_holds_everything_under_its_own_digest(
    hub: Registry, settings: Settings, carried: list[Release], tmp_path: Path
) -> None:
    archive = tmp_path / "to" / "image.tar"
    done = image(settings, "--base", f"{hub.host}/tremplin/base:1", "--output", str(archive))
    assert done.returncode == 0, done.stderr
    with tarfile.open(archive) as tar:
        files = {m.name: file.read() for m in tar.getmembers() if (file := tar.extractfile(m))}
    assert json.loads(files.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files.pop("index.json"))["manifests"]
    for name, content in files.items():
        assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
    manifest = json.loads(files.pop(f"blobs/{entry['digest'].replace(':', '/')}"))
    named = {d["digest"]: d["size"] for d in [manifest["config"], *manifest["layers"]]}
    assert {f"blobs/{name.replace(':', '/')}": size for name, size in named.items()} == {
        name: len(content) for name, content in files.items()
    }
    assert [path.name for path in archive.parent.iterdir()] == ["image.tar"]


def test_a_base_as_docker_pushes_it_becomes_an_image_in_ocis_words_in_another_registry(
    hub: Registry, settings: Settings, carried: list[Release], tmp_path: Path
) -> None:
    hub.push_base("docker:1", docker=True)
    with registry(tmp_path) as other:
        pushed(settings, f"{hub.host}/docker:1", f"{other.host}/far/away:1")
        _, manifest, _ = other.image("far/away:1")
        kinds = {manifest["mediaType"], *(d["mediaType"] for d in [manifest["config"], *manifest["layers"]])}
        assert all(kind.startswith("application/vnd.oci.image.") for kind in kinds)
        for described in manifest["layers"]:
            other.layer("far/away", described["digest"])


def test_credentials_are_dockers(settings: Settings, carried: list[Release], tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("registry", "right", "wrong", "none")}
    for folder in folders.values():
        folder.mkdir()
    with registry(folders["registry"], guarded=True) as guarded:
        guarded.push_base("base:1")
        where = ["--base", f"{guarded.host}/base:1", "--to", f"{guarded.host}/made:1"]
        for name, password in (("right", PASSWORD), ("wrong", "x")):
            login = base64.b64encode(f"{USER}:{password}".encode()).decode()
            content = {"auths": {guarded.host: {"auth": login}}}
            (folders[name] / "config.json").write_text(json.dumps(content))
        for name in ("wrong", "none"):
            done = image(settings, *where, DOCKER_CONFIG=str(folders[name]), HOME=str(folders[name]))
            assert done.returncode == 1
            assert f"docker login {guarded.host}" in done.stderr, done.stderr
        done = image(settings, *where, DOCKER_CONFIG=str(folders["right"]))
        assert done.returncode == 0, done.stderr
        guarded.image("made:1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--to", "{hub}/made:1", "--base", "127.0.0.1:1/base:1"],
            "The registry 127.0.0.1:1 does not answer",
        ),
        (
            ["--to", "{hub}/made:1", "--base", "{hub}/tremplin/none:1"],
            "There is no image {hub}/tremplin/none:1",
        ),
        (
            ["--to", "127.0.0.1:1/made:1", "--base", "{hub}/tremplin/base:1"],
            "The registry 127.0.0.1:1 does not answer",
        ),
        (["--to", "made:1", "--base", "{hub}/tremplin/base:1"], "'made:1' names no image in a registry"),
        (["--base", "{hub}/tremplin/base:1"], "Say where the image goes"),
    ],
)
def test_what_cannot_be_is_said(
    hub: Registry, settings: Settings, carried: list[Release], words: list[str], said: str
) -> None:
    done = image(settings, *(word.format(hub=hub.host) for word in words))
    assert done.returncode == 1
    assert said.format(hub=hub.host) in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_nothing_live_or_an_altered_release_makes_no_image(
    hub: Registry, settings: Settings, carried: list[Release], tmp_path: Path
) -> None:
    where = ["--base", f"{hub.host}/tremplin/base:1", "--output", str(tmp_path / "image.tar")]
    nothing = image(load_settings(root=CHECKOUT, home=tmp_path / "empty"), *where)
    assert nothing.returncode == 1
    assert "Nothing is live for the pilot flights" in nothing.stderr
    with (carried[2].path / "model.onnx").open("ab") as file:
        file.write(b"x")
    altered = image(settings, *where)
    assert altered.returncode == 1
    assert "was altered or half copied: model.onnx" in altered.stderr
    assert not (tmp_path / "image.tar").exists()
