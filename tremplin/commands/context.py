"""What every command needs: settings, pilot, the time it speaks of, and a way to answer people and scripts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from tremplin.errors import ConfigurationError, TremplinError
from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot, undecided
from tremplin.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text
    from sqlalchemy.engine import Engine

    from tremplin.journal import Signatory


AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for scripts.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="What was known then: 2013-07-01 or a full time. Default: now.")
]
Key = Annotated[
    Path, typer.Option("--key", help="Your SSH key (Ed25519), or its .pub where the ssh-agent holds it.")
]


@dataclass
class Context:
    """Made once by the callback in ``tremplin.cli``; commands get it from Typer."""

    settings: Settings
    debug: bool

    @cached_property
    def pilot(self) -> Pilot:
        """The pilot that was asked for; outside development, only if everything in it was decided."""
        pilot = load_pilot(self.settings.pilot, self.settings.root)
        if self.settings.environment != "development" and (faults := undecided(pilot)):
            raise ConfigurationError(faults)
        return pilot

    @cached_property
    def paths(self) -> Paths:
        """Its files."""
        return Paths(self.settings.root, self.settings.pilot)

    @cached_property
    def store(self) -> Engine:
        """The store, opened when first needed."""
        from tremplin.store import open_store

        return open_store(self.settings)

    @cached_property
    def console(self) -> Console:
        """Where people read. What is printed is text: square brackets in it are no markup; `styled` gives a word its colour."""
        from rich.console import Console

        return Console(highlight=False, markup=False)

    def signatory(self, key: Path) -> Signatory:
        """Who the key says it is, now."""
        from governance.identity import identify

        return identify(key, self.settings.allowed_signers, datetime.now(UTC))

    def moment(self, as_of: str | None, option: str = "--as-of") -> datetime:
        """A time given by ``option``, with its zone; a day means its midnight in the pilot's. Without it, now.

        The command line is the only place that asks the clock.
        """
        zone = ZoneInfo(self.pilot.file.data.timezone)
        if as_of is None:
            return datetime.now(UTC).astimezone(zone)
        try:
            moment = datetime.fromisoformat(as_of)
        except ValueError:
            raise TremplinError(
                f"{option} {as_of!r} is not a time. Write it as 2013-07-01 or 2013-07-01T06:00."
            ) from None
        if not 1900 <= moment.year < 2200:
            raise TremplinError(f"{option} {as_of!r} is not a time that data could be of (1900 to 2199).")
        return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment

    def past(self, as_of: str | None) -> datetime:
        """``moment`` of a step that is written: it cannot be taken before its time.

        Raises:
            TremplinError: ``--as-of`` is still to come.
        """
        moment = self.moment(as_of)
        if moment > datetime.now(UTC):
            raise TremplinError(
                f"--as-of {as_of} has not come yet: what is decided then is not known today. Leave it out, or name a day before."
            )
        return moment


def context(ctx: typer.Context) -> Context:
    """The context of the running command."""
    found: Context = ctx.find_object(Context)  # type: ignore[assignment]
    return found


def styled(word: str, style: str) -> Text:
    """A word in a style of Rich, such as ``bold`` or ``green``, to be printed beside plain text."""
    from rich.text import Text

    return Text(word, style)


def print_json(content: Any) -> None:
    """Answer a script."""
    typer.echo(json.dumps(content, indent=2, default=str, ensure_ascii=False))


def workspace_root(given: str | None, root: Path) -> Path:
    """``--workspace``: a path, or the name of a folder under ``.tremplin/`` such as ``demo``."""
    if given is None:
        return root
    for candidate in (root / ".tremplin" / given, Path(given)):
        if (candidate / "pilots").is_dir():
            return candidate.resolve()
    raise TremplinError(
        f"There is no workspace {given!r}: neither .tremplin/{given} nor {given} holds a pilots/ folder."
    )
