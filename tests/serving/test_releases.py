"""A release is verified and tried before it answers anybody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.releases import Servable, interchangeable, open_servable
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


Edit = Callable[[dict[str, Any]], object]


def with_columns(servable: Servable, **edits: Edit) -> Servable:
    """The same release, had its contract said otherwise of some columns."""
    content = servable.contract.model_dump(mode="json", by_alias=True)
    for column in content["schema"][0]["properties"]:
        if column["name"] in edits:
            edits[column["name"]](column)
    return replace(servable, contract=Contract.model_validate(content))


def bounds(**values: object) -> Edit:
    return lambda column: column["logicalTypeOptions"].update(values)


def unit(name: str | None) -> Edit:
    def edit(column: dict[str, Any]) -> None:
        others = [item for item in column["customProperties"] if item["property"] != "unit"]
        column["customProperties"] = others + ([{"property": "unit", "value": name}] if name else [])

    return edit


def kilometres(column: dict[str, Any]) -> None:
    unit("km")(column)
    bounds(minimum=16, maximum=9600)(column)


def without(category: str) -> Edit:
    def edit(column: dict[str, Any]) -> None:
        column["enum"] = [item for item in column["enum"] if item["value"] != category]
        column |= {"examples": [column["enum"][0]["value"]], "customProperties": []}

    return edit


def form(**values: Any) -> Edit:
    return lambda column: column.update(values)


@pytest.fixture
def champion(release_factory: Any, tmp_path: Path) -> Servable:
    return open_servable(tmp_path, release_factory(tmp_path).id, release_factory.public_key, "flights")


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ({"distance": kilometres}, r"distance is .* 10 to 6000 \(mile\), and its contract says .* 16 to 9600 \(km\)"),
        ({"distance": unit("km")}, r"\(mile\), and its contract says .*\(km\)"),
        ({"distance": unit(None)}, r"\(mile\), and its contract says a number from 10 to 6000"),
        ({"distance": form(logicalType="integer", examples=[1400])}, "is a number .* and its contract says a whole number"),
        ({"temp": unit("degree Celsius"), "distance": unit("km")}, "distance is .*; temp is"),
    ],
)  # fmt: skip
def test_a_challenger_to_whom_a_column_means_something_else_is_refused(
    champion: Servable, edits: dict[str, Edit], said: str
) -> None:
    with pytest.raises(TremplinError, match=said):
        interchangeable(champion, with_columns(champion, **edits))


ROW = {
    "distance": 5500.0,
    "temp": None,
    "origin": "LGA",
    "dest": "TPA",
    "carrier": "UA",
    "desk": "a desk that is long",
}


@pytest.mark.parametrize(
    ("edits", "read"),
    [
        ({"distance": bounds(maximum=5000)}, {"distance": 5000.0}),
        ({"temp": form(required=True)}, {"temp": 61.0}),
        ({"origin": without("LGA")}, {"origin": "JFK"}),
        ({"dest": bounds(pattern="^[A-M]{3}$")}, {"dest": "IAH"}),
        ({"dest": form(enum=[{"value": "IAH"}], examples=["IAH"])}, {"dest": "IAH"}),
    ],
)
def test_a_row_that_only_the_champions_contract_accepts_is_not_read_by_the_challenger(
    champion: Servable, edits: dict[str, Edit], read: dict[str, Any]
) -> None:
    row = dict.fromkeys((c.name for c in champion.contract.request_columns), None) | ROW
    assert interchangeable(champion, champion).reads(row)
    reader = interchangeable(champion, with_columns(champion, **edits))
    assert not reader.reads(row)
    assert reader.reads(row | read)


@pytest.mark.parametrize(
    "edits",
    [
        {"distance": bounds(maximum=7000)},
        {"distance": bounds(minimum=None)},
        {"origin": lambda column: column["enum"].append({"value": "HPN"})},
        {"origin": form(enum=None)},
        {"dest": bounds(pattern=None)},
        {"carrier": form(required=False)},
        {"temp": form(description="Temperature, said better")},
        {"desk": form(tags=[], logicalTypeOptions={"maxLength": 9})},  # the model does not see it
    ],
)
def test_a_challenger_that_accepts_more_reads_every_row(champion: Servable, edits: dict[str, Edit]) -> None:
    row = dict.fromkeys((c.name for c in champion.contract.request_columns), None) | ROW
    assert interchangeable(champion, with_columns(champion, **edits)).reads(row)
