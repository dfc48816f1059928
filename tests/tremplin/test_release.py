"""The release directory: the same content has the same id; what is altered, unsigned or foreign is refused."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from tremplin.errors import ReleaseRefused, TremplinError
from tremplin.release import GoNoGo, Manifest, Release, make_keys, open_release, sha256, write_release

NOW = datetime(2013, 7, 1, tzinfo=UTC)
HASH = "0" * 64
GO = GoNoGo(
    by="Camille Laurent", role="product owner", as_of=NOW, stand_in=True,
    journal_hash=HASH, lock_hash=HASH, verdict_hash=HASH, model_hash=HASH,
)  # fmt: skip
MANIFEST = Manifest(
    pilot="flights", as_of=NOW, model_version=1, mlflow_run="r", commit="c", dirty=False, data_hash=HASH, contract_hash=HASH,
    lock_hash=HASH, verdict_hash=HASH, go_no_go=GO, decision_threshold=0.33, files={},
)  # fmt: skip


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    private, public = tmp_path / "keys" / "release.key", tmp_path / "keys" / "release.pub"
    make_keys(private, public)
    return private, public


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "a.onnx").write_bytes(b"model")
    (tmp_path / "b.txt").write_bytes(b"trees")
    return {"model.onnx": tmp_path / "a.onnx", "fast/booster.txt": tmp_path / "b.txt"}


@pytest.fixture
def release(tmp_path: Path, files: dict[str, Path], keys: tuple[Path, Path]) -> Release:
    return write_release(tmp_path / "releases", files, MANIFEST, keys[0])


def test_what_was_written_is_opened(
    release: Release, files: dict[str, Path], keys: tuple[Path, Path]
) -> None:
    opened = open_release(release.path, keys[1], pilot="flights")
    assert opened == release
    assert opened.manifest.files == {name: sha256(path) for name, path in files.items()}
    assert (release.path / "fast" / "booster.txt").read_bytes() == b"trees"
    assert open_release(release.path, keys[1]).id == release.path.name


def test_the_same_content_is_the_same_release_and_other_content_another(
    release: Release, files: dict[str, Path], keys: tuple[Path, Path]
) -> None:
    before = (release.path / "release.json").stat().st_mtime_ns
    assert write_release(release.path.parent, files, MANIFEST, keys[0]).id == release.id
    assert (release.path / "release.json").stat().st_mtime_ns == before
    files["model.onnx"].write_bytes(b"another")
    assert write_release(release.path.parent, files, MANIFEST, keys[0]).id != release.id
    assert len(list(release.path.parent.iterdir())) == 2  # no draft is left


def test_a_draft_that_was_interrupted_is_no_release(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError):
        write_release(tmp_path / "releases", {"model.onnx": tmp_path / "none"}, MANIFEST, keys[0])
    assert list((tmp_path / "releases").glob("[!.]*")) == []


def _alter(path: Path) -> None:
    (path / "model.onnx").write_bytes(b"m0del")


def _remove(path: Path) -> None:
    (path / "fast" / "booster.txt").unlink()


def _add(path: Path) -> None:
    (path / "extra.pkl").write_bytes(b"x")


def _edit_manifest(path: Path) -> None:
    content = json.loads((path / "release.json").read_text())
    (path / "release.json").write_text(json.dumps({**content, "decision_threshold": 0.9}))


def _unsign(path: Path) -> None:
    (path / "release.json.sig").unlink()


def _garble(path: Path) -> None:
    (path / "release.json.sig").write_bytes(b"\0" * 64)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_alter, r"altered or half copied: model\.onnx\. Copy it again"),
        (_remove, r"altered or half copied: fast/booster\.txt"),
        (_add, r"altered or half copied: extra\.pkl"),
        (_edit_manifest, "not signed by the key"),
        (_unsign, r"incomplete: .*release\.json\.sig"),
        (_garble, "not signed by the key"),
    ],
)
def test_what_was_altered_is_refused(
    release: Release, keys: tuple[Path, Path], harm: object, said: str
) -> None:
    assert callable(harm)
    harm(release.path)
    with pytest.raises(ReleaseRefused, match=said):
        open_release(release.path, keys[1])


def test_a_foreign_release_is_refused(release: Release, keys: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ReleaseRefused, match="is of the pilot flights; this server serves employment"):
        open_release(release.path, keys[1], pilot="employment")
    make_keys(tmp_path / "other" / "key", tmp_path / "other" / "pub")
    with pytest.raises(ReleaseRefused, match="not signed by the key"):
        open_release(release.path, tmp_path / "other" / "pub")
    with pytest.raises(ReleaseRefused, match="incomplete"):
        open_release(tmp_path / "nowhere", keys[1])


def test_a_manifest_of_another_version_is_refused_though_signed(
    release: Release, keys: tuple[Path, Path]
) -> None:
    key = serialization.load_pem_private_key(keys[0].read_bytes(), None)
    content = b'{"pilot": "flights"}'
    (release.path / "release.json").write_bytes(content)
    (release.path / "release.json.sig").write_bytes(key.sign(content))  # type: ignore[union-attr,call-arg]  # Ed25519
    with pytest.raises(ReleaseRefused, match="not one of this version"):
        open_release(release.path, keys[1])


def test_keys_are_made_once_and_kept_private(keys: tuple[Path, Path]) -> None:
    before = keys[0].read_bytes()
    make_keys(*keys)
    assert keys[0].read_bytes() == before
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600


def test_keys_that_cannot_be_used_are_named(
    release: Release, files: dict[str, Path], keys: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(ReleaseRefused, match=r"none\.pub cannot be read.*TREMPLIN_RELEASE_PUBLIC_KEY"):
        open_release(release.path, tmp_path / "none.pub")
    with pytest.raises(TremplinError, match=r"none\.key cannot be read.*TREMPLIN_SIGNING_KEY"):
        write_release(tmp_path / "more", files, MANIFEST, tmp_path / "none.key")
    other = generate_private_key(SECP256R1())
    pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "ec.pub").write_bytes(other.public_key().public_bytes(pem, form))
    (tmp_path / "ec.key").write_bytes(
        other.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(ReleaseRefused, match="not an Ed25519 key"):
        open_release(release.path, tmp_path / "ec.pub")
    with pytest.raises(TremplinError, match="not an Ed25519 key"):
        write_release(tmp_path / "more", files, MANIFEST, tmp_path / "ec.key")
