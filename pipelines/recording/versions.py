"""The versions of a model in MLflow's registry: what is known of them, what is tied to them, and which one is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tremplin import live
from tremplin.code_version import code_version
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot
from tremplin.release import sha256
from tremplin.settings import Settings
from tremplin.store import open_store
from tremplin.tracking import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

RESULT = "tremplin.result"
VERDICT = "tremplin.verdict"  # passed or blocked
VERDICT_HASH = "tremplin.verdict_hash"
RELEASE = "tremplin.release"
COMMIT, DIRTY, PILOT_FILE = "tremplin.commit", "tremplin.dirty", "tremplin.pilot_file"


@dataclass(frozen=True)
class Recorded:
    """A result as MLflow knows it."""

    pilot: str
    run_id: str
    model_version: int
    result_hash: str
    commit: str
    dirty: bool
    data_hash: str
    contract_hash: str
    model_hash: str
    verdict: str | None  # passed, blocked, or None before the gate
    verdict_hash: str | None
    created: bool  # whether this call made the run


def version_facts(settings: Settings, pilot: str, version: int) -> Recorded:
    """What MLflow knows of a version.

    Raises:
        TremplinError: there is no such version, or it has lost a tag.
    """
    return read_version(tracking(settings), pilot, version, created=False)


def set_aliases(
    settings: Settings, pilot: str, *, champion: int | None, challenger: int | None, previous: int | None
) -> None:
    """Make MLflow's aliases say what is live; None takes an alias away."""
    client = tracking(settings)
    present = client.get_registered_model(pilot).aliases
    for alias, version in (("champion", champion), ("challenger", challenger), ("previous", previous)):
        if version is not None:
            client.set_registered_model_alias(pilot, alias, str(version))
        elif alias in present:
            client.delete_registered_model_alias(pilot, alias)


def tag_version(settings: Settings, pilot: str, version: int, tags: dict[str, str]) -> None:
    """Link a version and its run to what came of it: release, approval."""
    client = tracking(settings)
    run_id = _version(client, pilot, version).run_id
    for key, value in tags.items():
        client.set_model_version_tag(pilot, str(version), f"tremplin.{key}", value)
        client.set_tag(run_id, f"tremplin.{key}", value)


def challenger_is_live(settings: Settings, pilot: str) -> bool:
    """Whether a release is on its way: then the alias ``challenger`` is its, and no other version's."""
    known = live.current(open_store(settings), pilot)
    return known is not None and known[1].challenger is not None


def register(client: MlflowClient, name: str, run_id: str, settings: Settings) -> int:
    """The version of the run's model; made where it is missing.

    It is the challenger until the gate has spoken, where none is live.
    """
    known = client.search_model_versions(f"run_id = '{run_id}'")
    version = known[0] if known else _new_version(client, name, run_id)
    if VERDICT not in version.tags and not challenger_is_live(settings, name):
        client.set_registered_model_alias(name, "challenger", version.version)
    return int(version.version)


def bring_code_up_to_date(client: MlflowClient, pilot: Pilot, version: int, settings: Settings) -> None:
    """Let a version name the commit that it came out of again, the same, as long as no release says otherwise.

    So a result of changed code becomes its commit's once it is committed, with the ``pilot.yaml`` that it is judged by; and
    the authors of that commit are among its authors.
    """
    commit, dirty = code_version(settings)
    found = _version(client, pilot.name, version)
    tags = {COMMIT: commit, DIRTY: str(dirty).lower()}
    if dirty or RELEASE in found.tags or tags.items() <= found.tags.items():
        return
    file = pilot.folder / "pilot.yaml"
    client.log_artifact(found.run_id, str(file))
    tags = {PILOT_FILE: sha256(file), **tags}
    for key, value in {"mlflow.source.git.commit": commit, **tags}.items():
        client.set_tag(found.run_id, key, value)
    for key, value in tags.items():  # the commit and the dirt last: with them, the rest is there
        client.set_model_version_tag(pilot.name, str(version), key, value)


def _new_version(client: MlflowClient, name: str, run_id: str) -> Any:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    run = client.get_run(run_id)
    model_id = run.outputs.model_outputs[0].model_id if run.outputs else None
    tags = {key: value for key, value in run.data.tags.items() if key.startswith("tremplin.")}
    return client.create_model_version(name, f"models:/{model_id}", run_id, tags=tags, model_id=model_id)


def read_version(client: MlflowClient, name: str, version: int, *, created: bool) -> Recorded:
    """What MLflow knows of a version, read from its tags.

    Raises:
        TremplinError: there is no such version, or it has lost a tag.
    """
    found = _version(client, name, version)
    tags = found.tags
    needed = [RESULT, COMMIT, DIRTY, *(f"tremplin.{name}" for name in ("data", "contract", "model"))]
    missing = [name for name in needed if name not in tags]
    if missing:
        raise TremplinError(
            f"Version {version} of {name} has lost its tags {', '.join(missing)} in MLflow: its lineage cannot be read. "
            "Put them back from its run, which has the same tags."
        )
    return Recorded(
        pilot=name,
        run_id=found.run_id,
        model_version=version,
        result_hash=tags[RESULT],
        commit=tags[COMMIT],
        dirty=tags[DIRTY] == "true",
        data_hash=tags["tremplin.data"],
        contract_hash=tags["tremplin.contract"],
        model_hash=tags["tremplin.model"],
        verdict=tags.get(VERDICT),
        verdict_hash=tags.get(VERDICT_HASH),
        created=created,
    )


def _version(client: MlflowClient, name: str, version: int) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, str(version))
    except MlflowException as error:
        raise TremplinError(
            f"MLflow has no version {version} of the model {name} ({error}). See `tremplin status`."
        ) from error
