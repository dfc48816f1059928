"""The fast path of a release: the answers of ONNX Runtime, exact contributions, and nobody who notices where there is none."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as searched
from hypothesis import strategies as st

from pipelines.fitting import predict
from pipelines.replaying import request_rows
from serving.fast import lightgbm_library
from serving.problems import Problem
from serving.releases import SMOKE_TOLERANCE, Servable, open_servable
from tests.conftest import ReleaseFactory, make_releases_of
from tests.delays import delays
from tremplin.column import Column
from tremplin.contract import Contract
from tremplin.frame import model_frame
from tremplin.pilot import Pilot

Row = dict[str, Any]
FACTORIES = ["probabilities", "amounts", "probabilities by a line", "amounts by a line"]


@pytest.fixture(scope="module")
def factories(
    release_factory: ReleaseFactory, pilot: Pilot, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ReleaseFactory]:
    """Trees and lines, of `flights` and of the minutes by which a departure arrives late."""
    minutes = delays(tmp_path_factory.mktemp("delays")).pilot

    def folder() -> Path:
        return tmp_path_factory.mktemp("releases")

    return {
        "probabilities": release_factory,
        "amounts": make_releases_of(minutes, folder()),
        "probabilities by a line": make_releases_of(pilot, folder(), linear={"C": 1.0}),
        "amounts by a line": make_releases_of(minutes, folder(), linear={"alpha": 1.0}),
    }


@pytest.fixture(scope="module", params=FACTORIES)
def factory(request: pytest.FixtureRequest, factories: dict[str, ReleaseFactory]) -> ReleaseFactory:
    return factories[request.param]


@pytest.fixture(scope="module")
def servable(factory: ReleaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Servable:
    return opened(factory, tmp_path_factory.mktemp("served"))


def opened(factory: ReleaseFactory, root: Path, **given: Any) -> Servable:
    return open_servable(root, factory(root, **given).id, factory.public_key, factory.pilot.name)


def by_onnx(servable: Servable, rows: list[Row]) -> np.ndarray:
    features = servable.contract.features
    return servable.model.score({feature.name: [row[feature.name] for row in rows] for feature in features})


def margins(fitted: Any, frame: Any) -> np.ndarray:
    """What scikit-learn's side calls the margin: log-odds of a probability, an amount that is not yet held in its range."""
    estimator = fitted[-1]
    inside = fitted[:-1].transform(frame)
    if hasattr(estimator, "booster_"):
        return np.asarray(estimator.predict(inside, raw_score=True))
    return np.asarray((getattr(estimator, "decision_function", None) or estimator.predict)(inside))


def test_real_rows_get_the_same_answer_on_either_path_and_from_the_trained_pipeline(
    factory: ReleaseFactory, servable: Servable
) -> None:
    contract = factory.pilot.contract
    some = factory.rows.sample(2000, random_state=0)
    rows = request_rows(some, contract)
    answers = np.array([servable.score_row(row) for row in rows])
    assert servable.path == "fast"
    tolerance = SMOKE_TOLERANCE * contract.scale.largest
    np.testing.assert_allclose(answers, by_onnx(servable, rows), rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        answers, predict(factory.pipeline, model_frame(some, contract), contract), rtol=0, atol=tolerance
    )


def test_contributions_sum_to_the_margin_and_name_every_feature(
    factory: ReleaseFactory, servable: Servable
) -> None:
    contract = factory.pilot.contract
    some = factory.rows.sample(50, random_state=0)
    told = [servable.explain(row) for row in request_rows(some, contract)]
    expected = margins(factory.pipeline, model_frame(some, contract))
    np.testing.assert_allclose([t.margin for t in told], expected, rtol=0, atol=1e-6)
    assert {tuple(t.by_feature) for t in told} == {tuple(feature.name for feature in contract.features)}
    assert len({t.base for t in told}) == 1


@pytest.mark.parametrize("name", ["probabilities", "amounts"])
def test_contributions_of_trees_are_those_of_lightgbm(
    factories: dict[str, ReleaseFactory], tmp_path: Path, name: str
) -> None:
    factory = factories[name]
    servable, contract = opened(factory, tmp_path), factory.pilot.contract
    some = factory.rows.sample(50, random_state=1)
    inside = factory.pipeline[:-1].transform(model_frame(some, contract))
    theirs = factory.pipeline[-1].predict(inside, pred_contrib=True)
    columns = [name.split("__")[-1] for name in factory.pipeline[:-1].get_feature_names_out()]
    for row, expected in zip(request_rows(some, contract), theirs, strict=True):
        told = servable.explain(row)
        found = [*(told.by_feature[column] for column in columns), told.base]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def value_of(column: Column, categories: list[str], near: list[float]) -> st.SearchStrategy[Any]:
    """Any value that a caller may send: within the contract's bounds, their ends, and float32 beside what splits trees."""
    if column.logicalType == "boolean":
        kind: st.SearchStrategy[Any] = st.booleans()
    elif column.numeric:
        low, high = column.limits
        inside = [value for value in near if low <= value <= high]
        if column.logicalType == "integer":
            kind = st.integers(int(low), int(high))
        else:
            kind = st.floats(low, high, allow_nan=False) | st.sampled_from([low, high])
            kind = kind | st.sampled_from(inside) if inside else kind
    elif column.categories is not None:
        kind = st.sampled_from(column.categories)
    else:
        kind = st.sampled_from(categories) | st.text(max_size=5)
    return st.none() | kind if column.nullable else kind


def thresholds(encoding: dict[str, Any], booster: str) -> dict[str, list[float]]:
    """By feature: each number that trees split at, as the float32 below and above it."""
    found: dict[str, list[float]] = {}
    lines = booster.splitlines()
    for splits, values in zip(
        [line for line in lines if line.startswith("split_feature=")],
        [line for line in lines if line.startswith("threshold=")],
        strict=True,
    ):
        for place, value in zip(
            splits.partition("=")[2].split(), values.partition("=")[2].split(), strict=True
        ):
            near = np.float32(value)
            beside = {near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))}
            name = encoding["model"]["columns"][int(place)]["feature"]
            found.setdefault(name, []).extend(float(one) for one in beside if np.isfinite(one))
    return found


def rows_of(contract: Contract, servable: Servable) -> st.SearchStrategy[Row]:
    folder = servable.release.path / "fast"
    encoding = json.loads((folder / "encoding.json").read_text("utf-8"))
    booster = folder / "booster.txt"
    near = thresholds(encoding, booster.read_text("utf-8")) if booster.exists() else {}
    known = {name: sorted(values) for name, values in servable.categories.items()}
    return st.fixed_dictionaries(
        {f.name: value_of(f, known.get(f.name, []), near.get(f.name, [])) for f in contract.features}
    )


def test_any_row_within_the_contract_gets_the_same_answer_on_either_path(servable: Servable) -> None:
    contract = servable.contract

    @searched(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(rows_of(contract, servable))
    def agree(row: Row) -> None:
        tolerance = SMOKE_TOLERANCE * contract.scale.largest
        assert servable.score_row(row) == pytest.approx(by_onnx(servable, [row])[0], rel=0, abs=tolerance)
        told = servable.explain(row)
        assert servable.fast is not None
        if contract.scale.high == 1:
            assert 1 / (1 + np.exp(-told.margin)) == pytest.approx(servable.score_row(row), abs=1e-9)
        else:
            held = np.clip(told.margin, contract.scale.low, contract.scale.high)
            assert held == pytest.approx(servable.score_row(row), abs=1e-6)

    agree()


def test_threads_do_not_mix_rows(release_factory: ReleaseFactory, tmp_path: Path) -> None:
    servable = opened(release_factory, tmp_path)
    rows = request_rows(release_factory.rows.head(400), release_factory.pilot.contract)
    expected = [(servable.score_row(row), servable.explain(row)) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert (
                list(pool.map(lambda row: (servable.score_row(row), servable.explain(row)), rows)) == expected
            )


Edit = Callable[[bytes], bytes]


def other_leaves(content: bytes) -> bytes:
    """The first tree says something a little different, in as many characters."""
    head, mark, rest = content.partition(b"leaf_value=")
    first, space, others = rest.partition(b" ")
    return head + mark + first[:-1] + (b"1" if first[-1:] != b"1" else b"2") + space + others


def larger_leaf(content: bytes) -> bytes:
    head, mark, rest = content.partition(b"leaf_value=")
    digit = next(place for place, byte in enumerate(rest) if chr(byte) in "123456789")
    return head + mark + rest[:digit] + (b"9" if rest[digit:digit + 1] != b"9" else b"4") + rest[digit + 1:]  # fmt: skip


def another_origin(content: bytes) -> bytes:
    """One code of a category is another's."""
    encoding = json.loads(content)
    column = next(c for c in encoding["model"]["columns"] if c["feature"] == "origin")
    column["values"]["EWR"], column["values"]["JFK"] = column["values"]["JFK"], column["values"]["EWR"]
    return json.dumps(encoding).encode()


def another_unknown(content: bytes) -> bytes:
    """What no training row had has a code beyond all others, where it had one below."""
    encoding = json.loads(content)
    for column in encoding["model"]["columns"]:
        if column["kind"] == "codes":
            column["other"] = 1e6
    return json.dumps(encoding).encode()


def one_fewer(content: bytes) -> bytes:
    encoding = json.loads(content)
    del encoding["model"]["columns"][-1]
    return json.dumps(encoding).encode()


def renamed(content: bytes) -> bytes:
    return content.replace(b'"humid"', b'"humidity"')


@pytest.mark.parametrize(
    "damage",
    [
        ("booster.txt", larger_leaf, r"differ from those of model\.onnx by up to"),
        ("encoding.json", another_origin, r"differ from those of model\.onnx by up to"),
        ("encoding.json", another_unknown, r"differ from those of model\.onnx by up to"),
        ("encoding.json", renamed, "no such features, or has them otherwise: humidity"),
        ("encoding.json", lambda content: content[:-20], "cannot be read"),
        ("encoding.json", lambda content: content.replace(b'"trees"', b'"forest"'), "cannot be read"),
        ("booster.txt", lambda content: content[: len(content) // 2], "not whole"),
        ("booster.txt", lambda content: content[:300], "no model"),
        ("booster.txt", lambda content: b"", "no model"),
        ("encoding.json", one_fewer, "columns of the booster: 19, of the encoding: 18"),
        ("booster.txt", lambda content: content.replace(b"num_class=1", b"num_class=2"), "gives 2 answers"),
        (
            "booster.txt",
            lambda content: content.replace(b"_idx=18", b"_idx=17"),
            "LightGBM refuses the booster: ",
        ),
    ],
)
def test_a_fast_path_that_disagrees_or_is_damaged_is_not_used_and_says_so(
    release_factory: ReleaseFactory,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: tuple[str, Edit, str],
) -> None:
    name, edit, reason = damage
    with caplog.at_level(logging.INFO, "serving"):
        servable = opened(release_factory, tmp_path, edit={f"fast/{name}": edit})
    assert servable.path == "onnx"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert f"release {servable.id} has no fast path, ONNX Runtime answers: " in warnings[0]
    rows = request_rows(release_factory.rows.head(20), release_factory.pilot.contract)
    np.testing.assert_array_equal([servable.score_row(row) for row in rows], by_onnx(servable, rows))
    with pytest.raises(Problem, match=reason) as refused:
        servable.explain(rows[0])
    assert refused.value.status == 501


def test_a_change_below_the_tolerance_is_used(release_factory: ReleaseFactory, tmp_path: Path) -> None:
    assert opened(release_factory, tmp_path, edit={"fast/booster.txt": other_leaves}).path == "fast"


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    lightgbm_library.library.cache_clear()
    yield monkeypatch
    lightgbm_library.library.cache_clear()


def test_a_server_without_the_library_answers_by_onnx(
    release_factory: ReleaseFactory, tmp_path: Path, without_library: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lightgbm" / "lib").mkdir(parents=True)
    (tmp_path / "lightgbm" / "__init__.py").touch()
    without_library.syspath_prepend(tmp_path)
    without_library.delitem(sys.modules, "lightgbm", raising=False)
    servable = opened(release_factory, tmp_path / "releases")
    assert servable.path == "onnx"
    assert "is not installed" in servable.no_fast
    lightgbm_library.library.cache_clear()
    (tmp_path / "lightgbm" / "lib" / "lib_lightgbm.so").write_bytes(b"\x7fELF is this not")
    assert "cannot be loaded" in opened(release_factory, tmp_path / "releases").no_fast


def test_a_release_without_a_fast_form_is_served_and_not_explained(
    release_factory: ReleaseFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {name: path for name, path in release_factory.files.items() if not name.startswith("fast/")}
    plain = ReleaseFactory(**{**vars(release_factory), "files": files})
    with caplog.at_level(logging.INFO, "serving"):
        servable = opened(plain, tmp_path)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    row = request_rows(plain.rows.head(1), plain.pilot.contract)[0]
    assert servable.score_row(row) == by_onnx(servable, [row])[0]
    with pytest.raises(Problem, match="neither trees of LightGBM nor linear") as refused:
        servable.explain(row)
    assert refused.value.status == 501
