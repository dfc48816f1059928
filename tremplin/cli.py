"""The command line: ``tremplin COMMAND``. An error is one readable paragraph with what to do."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError

from tremplin.commands import (
    audit,
    backtest,
    check,
    demo,
    identity,
    image,
    journaling,
    keys,
    loop,
    new,
    predict,
    reproducing,
    rollout,
    serving,
    stopping,
    ui,
)  # fmt: skip
from tremplin.commands.context import Context, workspace_root
from tremplin.errors import TremplinError
from tremplin.settings import load_settings

HOISTED = {
    "--pilot": True,
    "--workspace": True,
    "--debug": False,
}  # global options, and whether they take a value

STOPPED = 130  # what Typer makes of Ctrl-C before we see it
# A store that was there when the command began, and then was not: what was written until then is whole.
LOST_STORE = (
    "The database did not answer: {}. Look whether it is up, and whether another program holds it; "
    "then run the same command again: what is done is kept, nothing is done twice."
)

GRACE_SECONDS = 12.0  # longer than the processes of the demo take to end
SAID_STOPPED = "\nStopped. Run the same command again: what is done is kept, nothing is done twice."

app = typer.Typer(
    help="From an AI pilot to production: train, gate, release, roll out, monitor, retrain, trace.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    ctx: typer.Context,
    pilot: Annotated[
        str, typer.Option(envvar=["TREMPLIN_PILOT", "PILOT"], help="Folder under pilots/.")
    ] = "flights",
    workspace: Annotated[
        str | None,
        typer.Option(help="Work there instead: a path, or a name under .tremplin/ such as `demo`."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; they may also stand behind it."""
    root = workspace_root(workspace, Path(os.environ.get("TREMPLIN_ROOT", ".")).resolve())
    if workspace is not None:  # processes that this one starts work there too
        os.environ["TREMPLIN_ROOT"] = str(root)
    os.environ["TREMPLIN_PILOT"] = pilot
    ctx.obj = Context(load_settings(root=root, pilot=pilot), debug)


for command in (
    new.new,
    check.check,
    loop.run,
    loop.approve,
    serving.serve,
    serving.replay,
    predict.predict,
    loop.monitor,
    stopping.stop,
    stopping.restart,
    audit.trace,
    audit.status,
    reproducing.reproduce,
    backtest.backtest,
    image.image,
    demo.demo,
    ui.ui,
):
    app.command()(command)
app.add_typer(rollout.app, name="rollout")
app.add_typer(journaling.app, name="journal")
app.add_typer(identity.app, name="identity")
app.add_typer(keys.app, name="key")


def main() -> None:
    """Entry point of the console script."""
    arguments = hoist(sys.argv[1:])
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # not where it is ignored, as under nohup
        signal.signal(signal.SIGINT, stop)
    try:
        app(arguments, prog_name="tremplin")
    except (TremplinError, OperationalError) as error:
        if "--debug" in arguments:
            raise
        said = str(error) if isinstance(error, TremplinError) else LOST_STORE.format(error.orig)
        typer.echo(typer.style("Error: ", fg="red", bold=True) + said, err=True)
        raise SystemExit(1) from None
    except BaseException as end:
        if not stopped(end):
            raise
        typer.echo(SAID_STOPPED, err=True)
        raise SystemExit(STOPPED) from None


def stop(_signal: int, _frame: FrameType | None) -> None:
    """Ctrl-C: end politely; what has not ended in ``GRACE_SECONDS`` is ended as by ``kill -9``, which every step survives.

    Prefect's client can wait long for a server that the same Ctrl-C has ended.
    """

    def end() -> None:
        typer.echo(SAID_STOPPED, err=True)
        os._exit(STOPPED)

    last_resort = threading.Timer(GRACE_SECONDS, end)
    last_resort.daemon = True
    last_resort.start()
    raise KeyboardInterrupt


def stopped(end: BaseException) -> bool:
    """Whether Ctrl-C is behind it. A terminal sends it to Prefect's own server too: Prefect then fails to tell it so."""
    if isinstance(end, SystemExit):
        return end.code == STOPPED
    behind: BaseException | None = end
    while behind is not None and not isinstance(behind, KeyboardInterrupt):
        behind = behind.__context__
    return behind is not None


def hoist(arguments: list[str]) -> list[str]:
    """The arguments with the global options first, so that they may stand anywhere before ``--``."""
    first: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name = argument.split("=", 1)[0]
        if argument == "--":
            rest += [argument, *remaining]
        elif name not in HOISTED:
            rest.append(argument)
        elif "=" in argument or not HOISTED[name]:
            first.append(argument)
        else:
            first += [argument, *([value] if (value := next(remaining, None)) is not None else [])]
    return first + rest


if __name__ == "__main__":
    main()
