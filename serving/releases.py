"""Releases in memory: opened only after signature and hashes were verified, and tried on their own smoke rows."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from serving.fast import Contributions, Fast, NoFastPath, check_agreement, open_fast
from serving.misreading import Reader
from serving.problems import Problem
from serving.request_model import Row, batch_adapter, row_adapter
from tremplin.contract import Contract, load_contract
from tremplin.coverage import Coverage, Segment
from tremplin.errors import ReleaseRefused
from tremplin.fast_form import FOLDER
from tremplin.interchange import columns_read
from tremplin.onnx_model import OnnxModel
from tremplin.release import Release, open_release
from tremplin.service import SERVICE, ServiceSheet
from tremplin.target import Scale

log = logging.getLogger("serving")

SMOKE_TOLERANCE = 1e-6  # of a probability, or of the largest amount: the same model, run here in float32


@dataclass(frozen=True)
class Servable:
    """A release that is ready to answer."""

    release: Release
    contract: Contract
    row: TypeAdapter[Row]
    batch: TypeAdapter[dict[str, list[Row]]]
    blank: Row  # every column of a request, missing
    model: OnnxModel
    ranges: dict[str, tuple[float, float]]  # of numbers, in training
    categories: dict[str, frozenset[str]]  # values that training saw
    segments: list[Segment]  # the groups that it answers, and those it does not
    coverage: Coverage
    sheet: ServiceSheet  # what the charter says of its answers
    fast: Fast | None  # answers one row as ``model`` does, in a tenth of the time
    no_fast: str  # why there is none; "" where there is

    @property
    def id(self) -> str:
        """The release's identity."""
        return self.release.id

    @cached_property
    def scale(self) -> Scale:
        """The range of what it answers."""
        return self.contract.scale

    def scores(self, rows: Sequence[Row]) -> list[float]:
        """A probability or an amount for each row; one alone takes the short way."""
        if len(rows) == 1:
            return [self.score_row(rows[0])]
        found: list[float] = self.model.score(
            {feature.name: [row[feature.name] for row in rows] for feature in self.model.features}
        ).tolist()
        return found

    @property
    def path(self) -> Literal["fast", "onnx"]:
        """What answers a row that comes alone."""
        return "onnx" if self.fast is None else "fast"

    def score_row(self, row: Row) -> float:
        """A probability, or an amount within the contract's range; NaN where the model has no answer."""
        if self.fast is not None:
            return self.fast.score_row(row)
        return float(
            self.model.score({feature.name: [row[feature.name]] for feature in self.model.features})[0]
        )

    def explain(self, row: Row) -> Contributions:
        """How much each feature added to the margin, exactly.

        Raises:
            Problem: 501, it cannot be told exactly of this release.
        """
        if self.fast is None:
            detail = f"Release {self.id} has no exact explanations: {self.no_fast}."
            raise Problem(501, "No exact explanation", detail)
        return self.fast.contributions(row)

    def out_of_range(self, row: dict[str, Any]) -> list[str]:
        """Names of the features whose value training never came near; a missing value is not one."""
        out = [
            n
            for n, (low, high) in self.ranges.items()
            if (v := row.get(n)) is not None and not low <= v <= high
        ]
        return out + [
            n for n, known in self.categories.items() if (v := row.get(n)) is not None and v not in known
        ]


def open_servable(folder: Path, identity: str, public_key: Path, pilot: str) -> Servable:
    """Verify and load ``folder/identity``.

    Raises:
        ReleaseRefused: not there, altered, unsigned, of another pilot, or its model gives other scores than it was released with.
    """
    path = folder / identity
    if not path.is_dir() or identity in ("", ".", ".."):
        raise ReleaseRefused(f"There is no release {identity!r} in {folder}. Copy its directory there.")
    release = open_release(path, public_key, pilot=pilot)
    if release.id != identity:
        raise ReleaseRefused(
            f"Release {path} is really {release.id}: its directory was renamed. Copy it again."
        )
    try:
        contract = load_contract(path / "contract.yaml")
        _same_task(release, contract)
        profile = json.loads((path / "profile.json").read_bytes())
        model = OnnxModel(path / "model.onnx", contract)
        row, batch = row_adapter(contract), batch_adapter(contract)
        ranges = {name: _widened(*bounds) for name, bounds in profile["ranges"].items() if bounds}
        categories = {name: frozenset(values) for name, values in profile["categories"].items()}
        segments = TypeAdapter(list[Segment]).validate_python(profile["coverage"])
        coverage = Coverage(segments, {column.name: column for column in contract.request_columns})
        _smoke(path, model, contract, profile["smoke"])
        fast, no_fast = _fast(path, model, contract, profile)
        sheet = ServiceSheet()  # of a release from before there was one
        if SERVICE in release.manifest.files:
            sheet = ServiceSheet.model_validate_json((path / SERVICE).read_bytes())
    except ReleaseRefused:
        raise
    except Exception as error:  # whatever a library says of a file that is signed and yet not fit to serve
        raise ReleaseRefused(
            f"Release {path} cannot be served: {type(error).__name__}: {error}. Make it again."
        ) from error
    blank: Row = dict.fromkeys(column.name for column in contract.request_columns)
    return Servable(
        release,
        contract,
        row,
        batch,
        blank,
        model,
        ranges,
        categories,
        segments,
        coverage,
        sheet,
        fast,
        no_fast,
    )


def _same_task(release: Release, contract: Contract) -> None:
    said = release.manifest.task
    if said is not contract.task:
        raise ReleaseRefused(
            f"Release {release.path}: release.json says {said}, its contract {contract.task}. Make it again."
        )


def _smoke(path: Path, model: OnnxModel, contract: Contract, smoke: dict[str, Any]) -> None:
    rows: list[Row] = smoke["rows"]
    scores = np.asarray(smoke["scores"], dtype=np.float64)
    columns = {feature.name: [row.get(feature.name) for row in rows] for feature in model.features}
    difference = float(np.max(np.abs(model.score(columns) - scores), initial=0.0))
    if not rows or not difference <= SMOKE_TOLERANCE * contract.scale.largest:
        raise ReleaseRefused(
            f"Release {path}: its model gives other scores here than where it was made (by {difference:.2g} on "
            f"{len(rows)} smoke rows). Use the ONNX Runtime of the lock."
        )


def _fast(
    path: Path, model: OnnxModel, contract: Contract, profile: dict[str, Any]
) -> tuple[Fast | None, str]:
    """The fast path, or why there is none; ONNX Runtime then answers."""
    folder = path / FOLDER
    try:
        fast = open_fast(folder, contract)
        ranges = {name: tuple(bounds) for name, bounds in profile["ranges"].items() if bounds}
        check_agreement(
            fast, model, profile["smoke"]["rows"], ranges, SMOKE_TOLERANCE * contract.scale.largest
        )
    except NoFastPath as reason:
        level = logging.WARNING if folder.is_dir() else logging.INFO
        log.log(level, "release %s has no fast path, ONNX Runtime answers: %s", path.name, reason)
        return None, str(reason)
    return fast, ""


def _widened(low: float, high: float) -> tuple[float, float]:
    """Training saw float32: a bound that was rounded there must still hold the number it came from."""
    below = np.nextafter(np.float32(low), np.float32(-np.inf))
    return float(below), float(np.nextafter(np.float32(high), np.float32(np.inf)))


def interchangeable(champion: Servable, challenger: Servable) -> Reader:
    """A challenger answers what callers of the champion ask, and reads rows written by its contract: which, the Reader says.

    Raises:
        TremplinError: it answers something else, or needs a column that callers do not send, or mean otherwise.
    """
    return Reader(
        *columns_read(
            champion.contract,
            challenger.contract,
            challenger.segments,
            champion=champion.id,
            challenger=challenger.id,
        )
    )
