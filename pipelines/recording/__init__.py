"""One MLflow run a result: how good it was, on which data, from which code, and the registered version that came of it.

A result is identified by the hash of its pilot's entries of ``dvc.lock``. Recording it twice is a no-op, and a recording that
was interrupted is completed: the run is found by its tag, the version by its run.
"""

from __future__ import annotations

from datetime import datetime

from pipelines.recording.runs import finished_run, write_run
from pipelines.recording.verdicts import attach_verdict
from pipelines.recording.versions import (
    Recorded,
    bring_code_up_to_date,
    read_version,
    register,
    set_aliases,
    tag_version,
    version_facts,
)
from tremplin.errors import TremplinError
from tremplin.lock import changed_since, result_hash
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.settings import Settings
from tremplin.tracking import tracking

__all__ = ["Recorded", "attach_verdict", "record", "set_aliases", "tag_version", "version_facts"]


def record(pilot: Pilot, paths: Paths, settings: Settings, *, as_of: datetime) -> Recorded:
    """Write the result that lies under ``paths`` to MLflow: one run, one version of the model ``pilot.name``.

    A new version gets the alias ``challenger`` where none is live; the gate takes it away again from a version that it blocks.

    Raises:
        TremplinError: a file is not what ``dvc.lock`` says, or MLflow does not answer.
    """
    found = result_hash(paths.root, pilot.name)
    changed = changed_since(paths.root, pilot.name, code=True)
    if changed:
        raise TremplinError(
            f"This is not the result that dvc.lock describes: {', '.join(changed)} changed or missing. "
            "Run `dvc repro` again (or `dvc checkout`), so that what is recorded is what was made."
        )
    client = tracking(settings)
    finished = finished_run(client, pilot.name, found)
    run_id = finished or write_run(client, pilot, paths, settings, found=found, as_of=as_of)
    version = register(client, pilot.name, run_id, settings)
    bring_code_up_to_date(client, pilot, version, settings)
    return read_version(client, pilot.name, version, created=finished is None)
