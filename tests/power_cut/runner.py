"""Runs commands in forks of a process that has imported everything: a command takes what it works, not what it loads.

Flows run as plain functions, without Prefect: what is killed and completed here is ours. Events go to ``home/events.jsonl``.
``tests/pipeline/test_faults.py`` and the demo have Prefect in them.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime
from typing import Any

import sitecustomize

from pipelines import flows
from tremplin import cli
from tremplin.settings import load_settings
from tremplin.tracking import load_mlflow


def without_prefect() -> None:
    """Flows and tasks as the functions they are made of."""
    for name, value in list(vars(flows).items()):
        if hasattr(value, "fn"):
            value.fn.fn = value.fn  # one flow calls another's function by this name
            setattr(flows, name, value.fn)
    flows.emit_event = emit_to_file  # type: ignore[assignment]


def emit_to_file(event: str, resource: dict[str, str], payload: dict[str, str]) -> None:
    with (load_settings().home / "events.jsonl").open("a") as file:
        file.write(json.dumps({"event": event, "resource": resource, "payload": payload}) + "\n")


def run(words: list[str], root: str, log: str, moment: dict[str, Any] | None) -> int:
    """One command, in a process group of its own; its exit code."""
    os.setsid()
    os.chdir(root)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(sink, stream)
    os.environ |= {"TREMPLIN_ROOT": root, "TREMPLIN_PILOT": "lamps"}
    if moment:
        os.environ[sitecustomize.VARIABLE] = json.dumps(moment)
        sitecustomize.watch(moment)
    if words[0] == "retraining":  # nobody calls it: an event starts it
        flows.retraining("lamps", datetime.fromisoformat(words[1]))
        return 0
    sys.argv = ["tremplin", "--pilot", "lamps", *words]
    cli.main()
    return 0


def main() -> None:
    """Orders on the standard input, one a line; the answer is the exit code, or minus the signal."""
    without_prefect()
    load_mlflow()
    import mlflow.onnx  # noqa: F401

    from monitoring.drift import load_evidently

    load_evidently()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = run(**order)
            except SystemExit as end:
                code = int(end.code or 0)
            except Exception:
                logging.getLogger(__name__).exception("the command failed")
            sys.stdout.flush()
            os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)


if __name__ == "__main__":
    main()
