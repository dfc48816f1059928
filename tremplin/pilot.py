"""A pilot: one folder under ``pilots/`` with its charter, contract, source, features and model.

Nothing else imports a pilot; its code is loaded here, by path.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import Field, model_validator

from tremplin import strict_yaml
from tremplin.charter import Charter, Text
from tremplin.contract import Contract, Strict, contract_hash, load_contract
from tremplin.errors import ConfigurationError, Fault

Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(gt=0, le=36_500)]
Count = Annotated[int, Field(gt=0)]
Scalar = bool | int | float | str


class Data(Strict):
    """What is taken from the source."""

    window_days: Days  # how much history before ``as_of`` a model is trained and evaluated on
    evaluation_days: Days  # the last part of it, kept for the final evaluation
    freshness_days: Days  # how old the newest labelled row may be at ``as_of``
    minimum_rows: Count  # labelled rows below which no model is made
    timezone: Text  # days and months of reports are cut in it

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.timezone not in available_timezones():
            raise ValueError(
                f"timezone {self.timezone!r} is not one of the IANA database, such as Europe/Paris"
            )
        if self.evaluation_days * 2 > self.window_days:
            raise ValueError("evaluation_days takes more than half of window_days")
        return self


class Model(Strict):
    """Everything that changes the model."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]
    threads: Count
    folds: Annotated[int, Field(ge=2, le=10)]
    candidates: Annotated[dict[str, dict[str, Scalar]], Field(min_length=1)]


class Gate(Strict):
    """Limits of the checks between a model and its release."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    bootstrap_samples: Annotated[int, Field(ge=200)]
    baseline_margin: Share  # Brier skill over the baseline that the interval must clear
    champion_margin: Share  # Brier loss against the champion that is still non-inferior
    feature_auc_limit: Annotated[
        float, Field(gt=0.5, le=1)
    ]  # one feature alone: above it, too good to be true
    result_auc_limit: Annotated[float, Field(gt=0.5, le=1)]  # the model: above it, too good to be true
    site_auc_drop: Share  # below the overall AUC, for a site
    site_minimum_rows: Count
    calibration_limit: Share  # expected calibration error
    parity_limit: Annotated[float, Field(gt=0)]  # largest |ONNX - trained pipeline| of a probability


class Rollout(Strict):
    """How a challenger goes out."""

    waves: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]  # cumulative shares
    wave_days: Days
    minimum_outcomes: Count  # labelled answers of the challenger before a wave is judged
    margin: Annotated[
        float, Field(ge=0)
    ]  # Brier loss against the champion on the same rows that is tolerated

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sorted(set(self.waves)) != self.waves or self.waves[-1] != 1:
            raise ValueError("waves must grow and end at 1")
        return self


class Monitoring(Strict):
    """What a window of predictions is measured by."""

    window: Literal["month"]
    minimum_rows: Count  # labelled rows below which performance is not judged
    minimum_site_rows: Count
    label_days: Days  # after the end of a window, by when its labels have arrived
    drift_sample: Annotated[int, Field(ge=1000, le=100_000)]
    drift_threshold: Annotated[float, Field(gt=0)]  # PSI of a number, Jensen-Shannon distance of a category
    drift_share: Share  # of drifted columns: above it, the window drifts
    auc_drop: Share  # below the evaluation: worse
    calibration_ratio: tuple[float, float]  # observed / expected positives: outside of it, worse

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.calibration_ratio
        if not 0 < low < 1 < high:
            raise ValueError(f"calibration_ratio [{low:g}, {high:g}] must hold 1 between its ends")
        return self


class Retraining(Strict):
    """When evidence leads to retraining."""

    worse_windows: Count  # N
    of_last: Count  # ... of the last M
    cooldown_days: Days
    budget_per_year: Count

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.worse_windows > self.of_last:
            raise ValueError("worse_windows is more than of_last")
        return self


class Demo(Strict):
    """The stretch of history that ``tremplin demo`` plays."""

    first_training: date
    until: date  # no month that begins later is played

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.until <= self.first_training:
            raise ValueError("`until` must come after `first_training`")
        return self


class PilotFile(Strict):
    """``pilot.yaml``: if changing a value changes the model or a decision, it is here."""

    charter: Charter
    data: Data
    model: Model
    gate: Gate
    rollout: Rollout
    monitoring: Monitoring
    retraining: Retraining
    demo: Demo


@dataclass(frozen=True)
class Pilot:
    """A pilot whose files were read and fit together."""

    name: str
    folder: Path
    file: PilotFile
    contract: Contract

    @property
    def charter(self) -> Charter:
        """Phase 1: the charter."""
        return self.file.charter

    @property
    def contract_hash(self) -> str:
        """SHA-256 of ``contract.yaml``."""
        return contract_hash(self.folder / "contract.yaml")

    @cached_property
    def source(self) -> ModuleType:
        """``source.py``: ``fetch(start, end) -> DataFrame``."""
        return self._load("source", "fetch")

    @cached_property
    def features(self) -> ModuleType:
        """``features.py``: ``transformer() -> unfitted transformer``."""
        return self._load("features", "transformer")

    @cached_property
    def model(self) -> ModuleType:
        """``model.py``: ``baseline()`` and ``candidates(parameters)``."""
        return self._load("model", "baseline", "candidates")

    def _load(self, name: str, *functions: str) -> ModuleType:
        path = self.folder / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"tremplin_pilot_{self.name}_{name}", path)
        if not path.exists() or spec is None or spec.loader is None:
            raise ConfigurationError([Fault(path, None, "the file is missing")])
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # so that what it defines can be pickled and looked up
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            line = getattr(error, "lineno", None) or _line_in(error, path)
            raise ConfigurationError([Fault(path, line, f"{type(error).__name__}: {error}")]) from error
        missing = [f for f in functions if not callable(getattr(module, f, None))]
        if missing:
            raise ConfigurationError([Fault(path, None, f"it must define {'() and '.join(missing)}()")])
        return module


def load_pilot(name: str, root: Path) -> Pilot:
    """Read ``root/pilots/name``.

    Raises:
        ConfigurationError: every fault of both files at once, each with file and line.
    """
    folder = root / "pilots" / name
    if not folder.is_dir():
        known = ", ".join(list_pilots(root)) or "none"
        raise ConfigurationError([Fault(folder, None, f"there is no pilot {name!r} here; known: {known}")])
    faults: list[Fault] = []
    file: PilotFile | None = None
    contract: Contract | None = None
    try:
        file = strict_yaml.load(folder / "pilot.yaml", PilotFile)
    except ConfigurationError as error:
        faults += error.faults
    try:
        contract = load_contract(folder / "contract.yaml")
    except ConfigurationError as error:
        faults += error.faults
    if file and contract:
        faults += _contradictions(file, contract, folder)
    if faults or file is None or contract is None:
        raise ConfigurationError(faults)
    return Pilot(name, folder, file, contract)


def list_pilots(root: Path) -> list[str]:
    """Names of the folders under ``pilots/``."""
    return sorted(path.parent.name for path in root.glob("pilots/*/pilot.yaml"))


def undecided(pilot: Pilot) -> list[Fault]:
    """Places in the pilot's files that still say ``changeme``: a person must decide them before production."""
    return [
        Fault(path, number, f"undecided: {line.strip()}")
        for path in (pilot.folder / "pilot.yaml", pilot.folder / "contract.yaml")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "changeme" in line.lower()
    ]


def _contradictions(file: PilotFile, contract: Contract, folder: Path) -> list[Fault]:
    """What the charter and the contract say against each other."""
    gdpr, path = file.charter.gdpr, folder / "contract.yaml"
    faults = []
    for column in contract.columns:
        personal = column.classification in ("personal", "special")
        if personal and not gdpr.personal_data:
            message = f"column {column.name} is {column.classification}, and the charter says there is no personal data"
            faults.append(Fault(path, None, message))
        if column.purpose and column.purpose not in gdpr.purposes:
            message = f"column {column.name}: its purpose {column.purpose!r} is not among the charter's gdpr.purposes"
            faults.append(Fault(path, None, message))
    return faults


def _line_in(error: BaseException, path: Path) -> int | None:
    """The last line of ``path`` in the error's traceback."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
