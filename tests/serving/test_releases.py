"""A release is verified and tried before it answers anybody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.releases import interchangeable, open_servable
from tremplin.contract import Contract
from tremplin.errors import ReleaseRefused, TremplinError
from tremplin.release import make_keys


def test_a_release_as_it_was_made_is_opened(release_factory: Any, tmp_path: Path) -> None:
    release = release_factory(tmp_path)
    servable = open_servable(tmp_path, release.id, release_factory.public_key, "flights")
    assert servable.id == release.id
    assert set(servable.ranges) | set(servable.categories) == {
        feature.name for feature in servable.contract.features
    }


def test_the_training_range_holds_what_training_saw(release_factory: Any, tmp_path: Path) -> None:
    servable = open_servable(tmp_path, release_factory(tmp_path).id, release_factory.public_key, "flights")
    smoke = json.loads((servable.release.path / "profile.json").read_bytes())["smoke"]["rows"]
    assert [servable.out_of_range(row) for row in smoke] == [[]] * len(smoke)
    odd = {**smoke[0], "temp": 119.0, "dest": "ZZZ", "wind_gust": None}
    assert servable.out_of_range(odd) == ["temp", "dest"]
    low, high = json.loads((servable.release.path / "profile.json").read_bytes())["ranges"]["temp"]
    assert servable.out_of_range({"temp": low}) == servable.out_of_range({"temp": high}) == []


def _change_model(path: Path) -> None:
    with (path / "model.onnx").open("ab") as file:
        file.write(b"\0")


def _change_threshold(path: Path) -> None:
    manifest = path / "release.json"
    manifest.write_text(manifest.read_text().replace("0.33", "0.10"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_change_model, "altered"),
        (_change_threshold, "not signed"),
        (lambda path: (path / "release.json.sig").unlink(), "incomplete"),
        (lambda path: (path / "profile.json").unlink(), "half copied"),
        (lambda path: (path / "model.pkl").write_bytes(b""), r"model\.pkl"),
        (shutil.rmtree, "There is no release"),
    ],
)
def test_a_damaged_release_is_refused(
    release_factory: Any, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    release = release_factory(tmp_path)
    damage(release.path)
    with pytest.raises(ReleaseRefused, match=reason):
        open_servable(tmp_path, release.id, release_factory.public_key, "flights")


def test_a_release_signed_by_somebody_else_is_refused(release_factory: Any, tmp_path: Path) -> None:
    private, public = tmp_path / "other.key", tmp_path / "other.pub"
    make_keys(private, public)
    release = release_factory(tmp_path / "releases", signing_key=private)
    with pytest.raises(ReleaseRefused, match="not signed by the key"):
        open_servable(tmp_path / "releases", release.id, release_factory.public_key, "flights")
    assert open_servable(tmp_path / "releases", release.id, public, "flights").id == release.id


def test_a_release_of_another_pilot_is_refused(release_factory: Any, tmp_path: Path) -> None:
    release = release_factory(tmp_path, pilot="trains")
    with pytest.raises(ReleaseRefused, match="of the pilot trains; this server serves flights"):
        open_servable(tmp_path, release.id, release_factory.public_key, "flights")


def test_a_renamed_release_is_refused(release_factory: Any, tmp_path: Path) -> None:
    release = release_factory(tmp_path)
    release.path.rename(tmp_path / "better")
    with pytest.raises(ReleaseRefused, match=f"is really {release.id}"):
        open_servable(tmp_path, "better", release_factory.public_key, "flights")
    with pytest.raises(ReleaseRefused, match="There is no release"):
        open_servable(tmp_path, "", release_factory.public_key, "flights")


def _other_scores(content: bytes) -> bytes:
    profile = json.loads(content)
    profile["smoke"]["scores"] = [score + 2e-6 for score in profile["smoke"]["scores"]]
    return json.dumps(profile).encode()


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("profile.json", _other_scores, "gives other scores here"),
        (
            "profile.json",
            lambda _: (
                b'{"ranges": {}, "categories": {}, "smoke": {"rows": [], "scores": []}, "coverage": []}'
            ),
            "0 smoke rows",
        ),
        ("profile.json", lambda _: b"{}", "cannot be served: KeyError"),
        ("model.onnx", lambda content: content[:100], "cannot be served"),
        ("contract.yaml", lambda content: content.replace(b"kind: DataContract", b"kind: Table"), "kind"),
        (
            "contract.yaml",
            lambda content: content.replace(b'"^[A-Z]{3}$"', b'"(?=x)"'),
            "the server cannot match pattern",
        ),
    ],
)
def test_a_signed_release_that_cannot_be_served_is_refused(
    release_factory: Any, tmp_path: Path, name: str, change: Callable[[bytes], bytes], reason: str
) -> None:
    release = release_factory(tmp_path, edit={name: change})
    with pytest.raises(ReleaseRefused, match=reason):
        open_servable(tmp_path, release.id, release_factory.public_key, "flights")


def test_a_challenger_must_do_with_what_callers_send(release_factory: Any, tmp_path: Path) -> None:
    challenger = open_servable(tmp_path, release_factory(tmp_path).id, release_factory.public_key, "flights")
    interchangeable(challenger, challenger)
    content = challenger.contract.model_dump(mode="json", by_alias=True)
    table = content["schema"][0]
    table["properties"] = [
        column for column in table["properties"] if column["name"] not in ("visib", "seats")
    ]
    older = replace(challenger, contract=Contract.model_validate(content))
    with pytest.raises(TremplinError, match="needs seats, visib, which callers of the champion"):
        interchangeable(older, challenger)
