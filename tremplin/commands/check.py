"""``tremplin check``: everything a person wrote for a pilot, all faults named at once."""

from __future__ import annotations

from pathlib import Path

import typer

from tremplin import strict_yaml
from tremplin.commands.context import AsJson, context, print_json, styled
from tremplin.errors import ConfigurationError, Fault, TremplinError
from tremplin.git import below_top
from tremplin.pilot import Pilot, list_pilots, load_pilot, undecided
from tremplin.pilot_code import PilotCode


def check_pilot(name: str, root: Path) -> Pilot:
    """Read the pilot, load its code, and prove that its model can be exported.

    Raises:
        ConfigurationError: with every fault that was found.
    """
    folder = root / "pilots" / name
    pilot: Pilot | None = None
    faults: list[Fault] = []
    try:
        pilot = load_pilot(name, root)
    except ConfigurationError as error:
        faults += error.faults
    if folder.is_dir():
        faults += (pilot or PilotCode(name, folder)).faults()
    if pilot is None or faults:
        raise ConfigurationError(faults)

    from pipelines.exporting import check_convertible

    try:
        check_convertible(pilot)
    except TremplinError as error:
        raise ConfigurationError([Fault(folder / "model.py", None, str(error))]) from error
    return pilot


def check_graph(root: Path) -> list[Fault]:
    """``dvc.yaml`` names every folder under ``pilots/``, and nothing else."""
    path = root / "dvc.yaml"
    if not path.exists():
        return [Fault(path, None, "the file is missing")]
    try:
        content, _ = strict_yaml.read(path)
        named = [name for part in content.get("vars", []) for name in part.get("pilots", [])]
    except ConfigurationError as error:
        return error.faults
    except AttributeError:
        return [Fault(path, None, "`vars` must hold a list `pilots`")]
    if sorted(named) == list_pilots(root):
        return []
    return [
        Fault(
            path,
            None,
            f"`pilots` is {named}; the folders under pilots/ are {list_pilots(root)}: make them equal",
        )
    ]


def open_questions(pilot: Pilot) -> list[Fault]:
    """What a person must still decide, and what only the pilot's code tells."""
    found = undecided(pilot)
    if not pilot.can_be_cut and not pilot.file.data.uncut_because:
        message = (
            "undecided: fetch() has no parameter `known_at`, so the gate cannot cut the source at a decision: give it one "
            "(docs/sources.md), or say in `data.uncut_because` of pilot.yaml why every column is known then"
        )
        found.append(Fault(pilot.folder / "source.py", None, message))
    if place := below_top(pilot.folder.parents[1]):
        message = (
            f"the project lies in {place} of its git repository: who may do what is read from commits that have `pilots/` at the "
            "top, so nobody can approve. Make it a repository of its own (`git init` there)"
        )
        found.append(Fault(pilot.folder, None, message))
    return found


def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check a pilot's files: charter, contract, code, export; every fault at once.

    Example: `tremplin check --pilot flights`
    """
    given = context(ctx)
    faults = check_graph(given.settings.root)
    pilot = None
    try:
        pilot = check_pilot(given.settings.pilot, given.settings.root)
    except ConfigurationError as error:
        faults += error.faults
    questions = open_questions(pilot) if pilot else []
    if given.settings.environment != "development":
        faults += questions
    if as_json:
        print_json(
            {
                "pilot": given.settings.pilot,
                "faults": [str(fault) for fault in faults],
                "undecided": [str(place) for place in questions],
            }
        )
    if faults:
        raise ConfigurationError(faults)
    if as_json or pilot is None:
        return
    for place in questions:
        given.console.print(styled("warning", "yellow"), str(place), soft_wrap=True)
    contract = pilot.contract
    given.console.print(
        styled("ok", "green"),
        f"pilot {pilot.name}: {len(contract.columns)} columns, {len(contract.features)} features, "
        f"candidates {', '.join(pilot.file.model.candidates)}; charter, contract, code and export fit together",
    )
