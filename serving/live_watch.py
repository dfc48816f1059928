"""Follows what is live: polls the store, loads the releases it names, keeps the last state that could be served."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sqlalchemy.engine import Engine

from serving.guard import Guard, halt, halted
from serving.metrics import Metrics
from serving.misreading import Reader
from serving.releases import Servable, interchangeable, open_servable
from serving.request_model import Row
from tremplin.errors import TremplinError
from tremplin.live import STOPPED, Live, change, current
from tremplin.settings import Settings
from tremplin.store import open_store

FIRST_LOOK = 5.0  # seconds; a database that hangs must not keep /livez from answering

log = logging.getLogger("serving")


@dataclass(frozen=True)
class State:
    """What answers now. One object, replaced as a whole: a request sees one state from beginning to end."""

    version: int
    live: Live
    releases: dict[str, Servable]
    readers: dict[str, Reader]  # of the releases that answer: which rows they read

    @property
    def champion(self) -> Servable:
        """Its contract is the one that callers write by."""
        return self.releases[self.live.champion]

    @cached_property
    def pilot(self) -> str:
        """Whose releases these are."""
        return self.champion.release.manifest.pilot

    @cached_property
    def key(self) -> str:
        """The column that names a row."""
        return self.champion.contract.key

    @cached_property
    def subject(self) -> str | None:
        """The column that a cohort is drawn from, if there is one."""
        return self.champion.contract.subject

    @cached_property
    def time(self) -> str:
        """The column with the time of the event."""
        return self.champion.contract.time

    def cohort(self, row: Row) -> str:
        """The cohort of the row's subject; a row that only the champion's contract accepts is the champion's.

        Where nobody is named, each row is its own subject: a wave still gets its share.
        """
        if self.live.stopped is not None:
            return STOPPED
        if not self.live.share:
            return "champion"
        subject = None if self.subject is None else row[self.subject]
        drawn = self.live.cohort(str(row[self.key] if subject is None else subject))
        return drawn if self.readers[self.live.release(drawn)].reads(row) else "champion"

    def answering(self, cohort: str) -> Servable:
        """The release that answers a cohort."""
        return self.releases[self.live.release(cohort)]


class LiveWatch:
    """Polls in a thread of its own, so that a database that hangs does not hold up an answer or the end."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.state: State | None = None
        self._engine: Engine | None = None  # None until the store has answered once
        self.problem = "starting"
        self._cache = settings.home / f"live-{settings.pilot}.json"
        self._stop = threading.Event()
        self._looked = threading.Event()
        self._said = ""
        self.guard = Guard()
        self._halted = 0  # the version whose challenger this server halted
        self._objection: tuple[str, str] | None = None  # challenger and reason, until the store has them

    @property
    def stopping(self) -> bool:
        """Whether the server was asked to end."""
        return self._stop.is_set()

    @property
    def not_ready(self) -> str | None:
        """Why no prediction can be made, or None."""
        if self.stopping:
            return "the server is stopping"
        return self.problem if self.state is None else None

    def start(self) -> None:
        """Go on with what was live before, and look whether it still is; wait a little for the first answer."""
        threading.Thread(target=self._run, name="live-watch", daemon=True).start()
        self._looked.wait(FIRST_LOOK)

    def stop(self) -> None:
        """Not ready any more, and look no more."""
        self._stop.set()

    def poll(self) -> None:
        """Look at the store once; whatever is wrong with what it says, the last good state stays."""
        self._look_at_challenger()
        try:
            self._engine = self._engine or open_store(self.settings)
            found = current(self._engine, self.settings.pilot)
            if found is not None:
                self._follow(*found)
            elif self.state is None:
                self._seed(self._engine)
            self._said = ""
            self.metrics.live_looked.set_to_current_time()
        except Exception as error:  # noqa: BLE001  (whatever a driver raises, the next look may go well)
            self._refuse(error)
        self._write_objection()
        self._looked.set()

    def _write_objection(self) -> None:
        """Halt the challenger for every server; where that cannot be written, it stays halted here, and is tried again."""
        if self._objection is None or self._engine is None:
            return
        try:
            halt(self._engine, self.settings.pilot, *self._objection)
            self._objection = None
        except Exception as error:  # noqa: BLE001  (the same)
            log.warning("The challenger is halted here, and that cannot be written for the others: %s", error)

    def _run(self) -> None:
        self._from_cache()
        self.poll()
        while not self._stop.wait(self.settings.live_poll_seconds):
            self.poll()

    def _look_at_challenger(self) -> None:
        """Halt it here at once where the guard objects, and everywhere once the store answers."""
        state = self.state
        reason = self.guard.objection(state) if state else None
        if state is None or reason is None:
            return
        log.error("The challenger %s is halted: %s.", state.live.challenger, reason)
        self.metrics.guarded.inc()
        self._halted, self._objection = state.version, (str(state.live.challenger), reason)
        self.state = replace(state, live=halted(state.live))
        self._keep(state.version, self.state.live)

    def _follow(self, version: int, live: Live) -> None:
        """Make ``live`` the state, if all that must answer can be served."""
        if version == self._halted:
            live = halted(live)
        if self.state and (self.state.version, self.state.live) == (version, live):
            return
        self.state = self._load(version, live)
        self.metrics.live_version.set(version)
        log.info("live version %s: champion %s, challenger %s for %.0f %% of the subjects",
                 version, live.champion, live.challenger, live.share * 100)  # fmt: skip
        self._keep(version, live)

    def _keep(self, version: int, live: Live) -> None:
        """For a restart while the store is away."""
        try:
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            draft = self._cache.with_suffix(".tmp")
            draft.write_text(json.dumps({"version": version, "state": live.model_dump()}))
            draft.replace(self._cache)
        except OSError as error:
            log.warning("What is live cannot be kept in %s (%s): after a restart it must be read from the store.",
                        self._cache, error)  # fmt: skip

    def _load(self, version: int, live: Live) -> State:
        """Open what ``live`` names and is not open yet.

        What nobody is sent to (a stopped challenger, the previous release) is kept ready where it can be, but does
        not stand in the way: a halt or a rollback must go through even if the release it turns away from is broken.
        """
        known, releases = self.state.releases if self.state else {}, {}
        answering = {live.champion}
        if live.challenger and live.share > 0 and live.stopped is None:
            answering.add(live.challenger)
        for identity in dict.fromkeys([live.champion, live.challenger, live.previous]):
            if identity is None:
                continue
            try:
                releases[identity] = known.get(identity) or open_servable(
                    self.settings.releases, identity, self.settings.release_public_key, self.settings.pilot
                )
            except TremplinError as error:
                if identity in answering:
                    raise
                log.warning("%s It answers nobody now, so the rest goes on.", error)
        readers = {
            identity: interchangeable(releases[live.champion], releases[identity]) for identity in answering
        }
        return State(version, live, releases, readers)

    def _from_cache(self) -> None:
        """Go on with what was live when this server last knew."""
        try:
            kept = json.loads(self._cache.read_text())
            self._follow(kept["version"], Live.model_validate(kept["state"]))
        except FileNotFoundError:
            return
        except (TremplinError, OSError, ValueError, KeyError) as error:
            log.warning("What was live before cannot be served again (%s): %s", self._cache, error)

    def _seed(self, engine: Engine) -> None:
        """An empty store begins with what the releases' directory proposes, as an image does on a new cluster."""
        proposal: Path = self.settings.releases / "live.json"
        if not proposal.exists():
            self.problem = f"no release is live for pilot {self.settings.pilot}: run tremplin approve"
            return
        live = Live.model_validate_json(proposal.read_bytes())
        self._load(0, live)  # what cannot be served must not become what is live
        change(
            engine,
            self.settings.pilot,
            live,
            by="seed",
            reason=f"the store was empty; {proposal.name} says so",
            after=0,
        )
        if known := current(engine, self.settings.pilot):  # another replica may have been first
            self._follow(*known)

    def _refuse(self, error: Exception) -> None:
        self.problem = " ".join(str(error).split())
        self.metrics.live_refused.inc()
        if self.problem != self._said:  # once, not every two seconds
            kept = f"version {self.state.version} stays live" if self.state else "nothing is live"
            log.error("%s (%s)", self.problem, kept)
        self._said = self.problem
