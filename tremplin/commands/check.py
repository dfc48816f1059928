"""``tremplin check``: everything a person wrote for a pilot, all faults named at once."""

from __future__ import annotations

from pathlib import Path

import yaml

from tremplin.errors import ConfigurationError, Fault, TremplinError
from tremplin.pilot import Pilot, list_pilots, load_pilot

CHANGE_ME = "changeme"


def check_pilot(name: str, root: Path) -> Pilot:
    """Read the pilot, load its code, and prove that its model can be exported.

    Raises:
        ConfigurationError: with every fault that was found.
    """
    pilot = load_pilot(name, root)
    faults: list[Fault] = []
    for part in ("source", "features", "model"):
        try:
            getattr(pilot, part)
        except ConfigurationError as error:
            faults += error.faults
    if not faults:
        from pipelines.exporting import check_convertible

        try:
            check_convertible(pilot)
        except TremplinError as error:
            faults.append(Fault(pilot.folder / "model.py", None, str(error)))
    if faults:
        raise ConfigurationError(faults)
    return pilot


def check_graph(root: Path) -> list[Fault]:
    """Every pilot's folder is in ``dvc.yaml``'s ``foreach`` lists, and nothing else is."""
    path = root / "dvc.yaml"
    if not path.exists():
        return [Fault(path, None, "the file is missing")]
    pilots = list_pilots(root)
    return [
        Fault(path, None, f"stage {stage}: its foreach is {definition.get('foreach')}, the folders under pilots/ are {pilots}")
        for stage, definition in yaml.safe_load(path.read_text("utf-8"))["stages"].items()
        if sorted(definition.get("foreach", [])) != pilots
    ]


def undecided(pilot: Pilot) -> list[str]:
    """Places in the pilot's files that still say ``changeme``: a person must decide them."""
    return [
        f"{path.name}:{number}: {line.strip()}"
        for path in (pilot.folder / "pilot.yaml", pilot.folder / "contract.yaml")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if CHANGE_ME in line.lower()
    ]
