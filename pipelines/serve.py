"""The process that runs deployments when Prefect asks, and the automation that closes the loop."""

from __future__ import annotations

import argparse

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.types.entrypoint import EntrypointType

from pipelines.flows import RETRAINING_DUE, resource, retraining


def main() -> None:
    """Serve ``retraining`` for one pilot: the event that monitoring emits starts it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pilot", required=True, help="folder under pilots/")
    pilot = parser.parse_args().pilot
    due = DeploymentEventTrigger(
        name=f"{pilot}: the evidence says retrain",
        expect={RETRAINING_DUE},
        match={"prefect.resource.id": resource(pilot)},
        parameters={"pilot": "{{ event.payload.pilot }}", "as_of": "{{ event.payload.as_of }}"},
    )
    # By module: by file, Prefect would put pipelines/ itself on the path, where a module could shadow Python's own.
    retrain = retraining.to_deployment(
        pilot, triggers=[due], concurrency_limit=1, entrypoint_type=EntrypointType.MODULE_PATH
    )
    assert isinstance(retrain, RunnerDeployment)  # a coroutine only where a loop is running
    serve(retrain)


if __name__ == "__main__":  # Prefect imports this file again for each run
    main()
