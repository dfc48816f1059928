"""A pilot: one folder under ``pilots/`` with its charter, contract, source, features and model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tremplin import strict_yaml
from tremplin.charter import FAIRNESS_MEASURES, AnyCharter
from tremplin.contract import Contract, contract_hash, load_contract
from tremplin.errors import ConfigurationError, Fault
from tremplin.pilot_code import PilotCode
from tremplin.pilot_file import Model, Monitoring, PilotFile
from tremplin.quality_rules import Outliers, Representativeness, SubPopulations, rule_name
from tremplin.target import Task

__all__ = ["Model", "Monitoring", "Pilot", "PilotFile", "list_pilots", "load_pilot", "undecided"]


@dataclass(frozen=True)
class Pilot(PilotCode):
    """A pilot whose files were read and fit together."""

    file: PilotFile
    contract: Contract

    @property
    def charter(self) -> AnyCharter:
        """Phase 1: the charter."""
        return self.file.charter

    @property
    def high_risk(self) -> bool:
        """Whether its use is high-risk (AI Act): then nothing that the contract can limit is left without a limit."""
        return self.charter.ai_act.risk_class == "high"

    @property
    def leaves_fairness_open(self) -> bool:
        """Whether people are at a high risk, and nothing says by which groups they must not be treated otherwise."""
        at_risk = self.high_risk and self.charter.gdpr.personal_data
        return at_risk and not self.contract.protected and self.charter.unprotected_because is None

    @property
    def contract_hash(self) -> str:
        """SHA-256 of ``contract.yaml``."""
        return contract_hash(self.folder / "contract.yaml")


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
        said = [
            *_another_task(file, contract),
            *_cannot_be_judged(file, contract),
            *_cannot_be_answered(file, contract),
        ]
        faults += [Fault(folder / "pilot.yaml", None, sentence) for sentence in said]
    if faults or file is None or contract is None:
        raise ConfigurationError(faults)
    return Pilot(name, folder, file, contract)


def list_pilots(root: Path) -> list[str]:
    """Names of the folders under ``pilots/``."""
    return sorted(path.parent.name for path in root.glob("pilots/*/pilot.yaml"))


def undecided(pilot: Pilot) -> list[Fault]:
    """What a person must decide before production: where the files still say ``changeme``, whom high-risk data stands for and
    by which groups nobody in it may be treated otherwise, and limits that the contract leaves out and without which the gate
    would judge nothing (or block, where the use is high-risk).
    """
    places = [
        Fault(path, number, f"undecided: {line.strip()}")
        for path in (pilot.folder / "pilot.yaml", pilot.folder / "contract.yaml")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "changeme" in line.lower()
    ]
    if pilot.high_risk and not _declared(pilot):
        message = (
            "undecided: the use is high-risk, and no column declares its `population`: the shares of the groups of those whom "
            "the model will serve, which the gate compares the rows with (docs/gate.md, representativeness)"
        )
        places.append(Fault(pilot.folder / "contract.yaml", None, message))
    if pilot.leaves_fairness_open:
        message = (
            "undecided: the use is high-risk, its data is personal, and no column of the contract is `protected`: mark those by "
            "which people must not be treated otherwise, or say in `charter.unprotected_because` why there can be none "
            "(docs/gate.md, fairness)"
        )
        places.append(Fault(pilot.folder / "pilot.yaml", None, message))
    return places + [Fault(pilot.folder / "contract.yaml", None, said) for said in _without_limit(pilot)]


def _declared(pilot: Pilot) -> bool:
    """Whether the contract says of any column whom the model will serve."""
    return any(column.population for column in pilot.contract.columns)


def _without_limit(pilot: Pilot) -> list[str]:
    """What the contract must limit and does not: all that it can of a high-risk use, else what a declared population asks for."""
    contract, reasons = pilot.contract, ["the use is high-risk"] if pilot.high_risk else []
    declared = [*reasons, *(["a `population` is declared"] if _declared(pilot) else [])]
    rules = (Outliers, reasons), (Representativeness, declared), (SubPopulations, declared)
    missing = [
        f"undecided: {why[0]}, and no rule in the table's `quality` has the `check: {rule_name(kind)}`: write its limit and the "
        "reason for it (docs/gate.md, the checks of data)"
        for kind, why in rules
        if why and contract.rule(kind) is None
    ]
    return missing + [
        f"undecided: the use is high-risk, and column {column.name} may be empty without a `nullValues` in its `quality`: how "
        "often it may be, and why (docs/gate.md, completeness)"
        for column in contract.optional_columns
        if reasons and not column.completeness
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


def _another_task(file: PilotFile, contract: Contract) -> list[str]:
    """The charter must say what errors cost of what the contract predicts."""
    if file.charter.task is contract.task:
        return []
    target = f"the contract's target {contract.target} is"
    if contract.task is Task.REGRESSION:
        unit = "what each unit of the target costs by which an answer is too high or too low"
        return [
            f"{target} an amount: write `charter.costs` as currency, over and under ({unit}), and `decision_threshold: null`"
        ]
    return [
        f"{target} yes or no: write `charter.costs` as currency, false_alarm and missed, and a `charter.decision_threshold`"
    ]


def _cannot_be_judged(file: PilotFile, contract: Contract) -> list[str]:
    """What the gate is asked to look at and cannot, by the contract."""
    faults = _fairness_left_open(file, contract)
    sent = {column.name: column for column in contract.request_columns}
    for name in sorted({name for names in file.gate.coverage.segments for name in names}):
        column = sent.get(name)
        if column is None:
            faults.append(f"`gate.coverage.segments` names {name}, which no request has")
        elif column.logicalType == "timestamp":
            faults.append(f"`gate.coverage.segments` names {name}, a timestamp, which has no groups")
        elif column.logicalType in ("number", "integer") and column.bands is None:
            faults.append(f"`gate.coverage.segments` names {name}, a number without `bands` in the contract")
    return faults


def _cannot_be_answered(file: PilotFile, contract: Contract) -> list[str]:
    """What the section `service` asks for and the target does not allow."""
    faults, answer, band = [], file.service.fallback.answer, file.service.review_band
    if contract.task is Task.REGRESSION:
        low, high = contract.scale.low, contract.scale.high
        if answer is not None and (isinstance(answer, bool) or not low <= answer <= high):
            faults.append(
                f"`service.fallback.answer` is {answer}, and {contract.target} is an amount from {low:g} to {high:g}: "
                "write one, or null where a person decides"
            )
    else:
        low, high = 0.0, 1.0
        if answer is not None and not isinstance(answer, bool):
            faults.append(
                f"`service.fallback.answer` is {answer:g}, and {contract.target} is yes or no: write true, false, "
                "or null where a person decides"
            )
    if band is not None and not (low <= band[0] and band[1] <= high):
        faults.append(f"`service.review_band` is {list(band)}, and a score lies within {low:g} and {high:g}")
    return faults


def _fairness_left_open(file: PilotFile, contract: Contract) -> list[str]:
    """Every protected column is limited by a measure, or the charter says why it is not."""
    chosen, settings = file.charter.fairness, file.gate.fairness
    protected = [column.name for column in contract.protected]
    if not protected:
        return []
    if file.charter.unprotected_because is not None:
        return [
            f"`charter.unprotected_because` says why no column is protected, and the contract marks {', '.join(protected)}"
        ]
    if chosen is None or settings is None:
        marked = f"the contract marks {', '.join(protected)} as protected"
        needed = (
            "`charter.fairness` must say which measures are limited and why, and `gate.fairness` the limits"
        )
        return [f"{marked}: {needed}"]
    unknown = sorted({*chosen.limited, *settings.limits} - {*FAIRNESS_MEASURES[contract.task]})
    if unknown:
        known, named = ", ".join(FAIRNESS_MEASURES[contract.task]), ", ".join(unknown)
        return [f"fairness of a {contract.task} is measured by {known}; {named} does not apply to it"]
    said, limited = (", ".join(sorted(names)) for names in (chosen.limited, settings.limits))
    faults = [] if said == limited else [f"`charter.fairness` limits {said}, and `gate.fairness` {limited}"]
    limited_by = {name for columns in settings.limits.values() for name in columns}
    faults += [
        f"fairness is to be measured by {name}, which the contract does not mark as protected"
        for name in sorted((limited_by | set(chosen.unlimited)) - set(protected))
    ]
    faults += [
        f"column {name} is protected: give it a limit in `gate.fairness.limits`, or in `charter.fairness.unlimited` the reason "
        "why it has none (one of the two)"
        for name in protected
        if (name in limited_by) == (name in chosen.unlimited)
    ]
    return faults
