"""The demo's world: its workspace, its processes, and time that goes forward as users ask and outcomes arrive."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx

from governance.identity import enrol
from governance.keys import make_key
from pipelines.prefect_server import Children, end_orphans, free_port, start_server
from tremplin import live
from tremplin.commands.context import Context
from tremplin.commands.demo_story import Story
from tremplin.errors import TremplinError
from tremplin.journal import Signatory
from tremplin.settings import Settings, load_settings
from tremplin.workspace import make_workspace, same_code

WAIT_SECONDS = 60


def complete(home: Path, pilot: str) -> Path:
    """The file that says that a pilot's demo was told to its end."""
    return home / f"demo-complete-{pilot}"


def world_of(checkout: Path, pilot: str) -> Path:
    """The folder a demo is played in: the world that pilots share, as they do in production, or one of its own.

    A demo that begins anew throws away what is in its world. Where other pilots left something in the shared one, nothing of
    it is touched: its journal is one chain, from which no pilot's part can be taken.
    """
    shared = checkout / ".tremplin" / "demo"
    left = {folder.name for folder in (shared / "data").glob("*") if folder.is_dir()} - {pilot}
    return shared.with_name(f"demo-{pilot}") if left and begins_anew(checkout, shared, pilot) else shared


def begins_anew(checkout: Path, root: Path, pilot: str) -> bool:
    """Whether a demo cannot go on in ``root``: it was told to its end there, or other code is there."""
    return complete(root / ".tremplin", pilot).exists() or not same_code(checkout, root)


class World:
    """One played history. Everything it did is in its store; a rerun goes on from there."""

    def __init__(self, checkout: Path, pilot: str, story: Story) -> None:
        root = world_of(checkout, pilot)
        root.parent.mkdir(exist_ok=True)
        self._lock = (root.parent / "demo.lock").open("w")
        try:
            fcntl.flock(
                self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # held until this process ends, however it ends
        except OSError:
            raise TremplinError(
                "Another demo is playing in this checkout. Wait for its end, or stop it."
            ) from None
        if begins_anew(checkout, root, pilot):
            end_orphans(root / ".tremplin")
            shutil.rmtree(root, ignore_errors=True)
        make_workspace(checkout, root)
        for name in [name for name in os.environ if name.startswith("TREMPLIN_")]:
            del os.environ[name]  # a world of its own: nothing of a real store or registry
        os.environ |= {"TREMPLIN_ROOT": str(root), "TREMPLIN_PILOT": pilot}
        self.given = Context(load_settings(), debug=False)
        self.story = story
        self.children = Children(self.settings)
        self.api = start_server(self.children, self.settings, free_port())
        self.client = httpx.Client(
            trust_env=False
        )  # one: each reads the machine's certificates, a tenth of a second
        self.url = f"http://127.0.0.1:{free_port()}"
        self.answered_until = self.midnight(self.given.pilot.file.demo.first_training)
        if root.name != "demo":
            story.tell(
                f"played in .tremplin/{root.name}: .tremplin/demo holds what other pilots left, and stays as it is"
            )

    @property
    def settings(self) -> Settings:
        """Settings of the demo's workspace."""
        return self.given.settings

    def midnight(self, day: date) -> datetime:
        """The beginning of a day where the pilot lives."""
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.given.pilot.file.data.timezone))

    def stand_in(self, contact: str) -> Signatory:
        """A stand-in for the person of that contact: a key of its own, enrolled in this workspace and nowhere else."""
        # Pilots share the world; their people do not share keys.
        key = self.settings.home / "keys" / f"stand-in-{self.given.pilot.name}"
        enrol(self.settings.allowed_signers, contact, make_key(key))
        return self.given.signatory(key)

    def start_model_server(self) -> None:
        """The server, in a process of its own; until it is ready."""
        environment = {"TREMPLIN_PORT": self.url.rsplit(":", 1)[1], "TREMPLIN_LIVE_POLL_SECONDS": "0.5"}
        self.children.start("server", [sys.executable, "-m", "serving"], environment, self.settings.root)
        self._wait("/readyz", lambda answer: answer.status_code == 200)

    def wait_until_live(self) -> None:
        """Until the server follows the newest row of what is live."""
        known = live.current(self.given.store, self.given.pilot.name)
        assert known is not None
        self._wait(
            "/release", lambda answer: answer.status_code == 200 and answer.json()["version"] >= known[0]
        )

    def play_until(self, moment: datetime) -> None:
        """Users ask about every event before ``moment``; the outcomes known by then arrive."""
        from pipelines.replaying import record_outcomes, replay

        given = self.given
        label_days = timedelta(days=given.pilot.file.monitoring.label_days)
        first = self.midnight(given.pilot.file.demo.first_training)
        rows = given.pilot.source.fetch(max(first, self.answered_until - label_days), moment)
        asked = rows[rows[given.pilot.contract.time] >= self.answered_until]
        facts = replay(self.url, given.pilot, asked, given.store, progress=self.story.replayed)
        known = record_outcomes(given.store, given.pilot, rows, moment)  # of the last days before, too
        self.story.tell(
            f"{self.answered_until:%d %B} to {moment:%d %B %Y}: {facts.sent:,} rows answered over HTTP in {facts.seconds:.1f} s"
            f"{f', {facts.skipped:,} had been' if facts.skipped else ''}; {known.new:,} outcomes arrived"
        )
        self.answered_until = moment

    def _wait(self, path: str, good: Callable[[httpx.Response], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        last = "nothing"
        while time.monotonic() < deadline:
            self.children.check("server")
            try:
                answer = self.client.get(self.url + path)
                if good(answer):
                    return
                last = answer.text
            except httpx.TransportError as error:
                last = str(error)
            time.sleep(0.1)
        raise TremplinError(f"The server did not get ready within {WAIT_SECONDS} s; {path} said: {last}")
