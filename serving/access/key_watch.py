"""Follows the file of API keys: made, rotated, revoked without a restart."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from serving.access.keys import KeyRing, parse
from tremplin.errors import TremplinError

log = logging.getLogger("serving")


class KeyWatch:
    """Reads the file again and again in a thread of its own; what cannot be read leaves the last good keys."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.ring: KeyRing | None = None  # None until there is a file
        self.problem = ""
        self._path, self._seconds = path, seconds
        self._content = b""
        self._stop = threading.Event()

    def start(self) -> None:
        """Look every ``seconds``."""
        threading.Thread(target=self._run, name="key-watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> None:
        """Read the file once. It is small, so it is compared by its content: a time or a size can stay when a key changes.

        Raises:
            TremplinError: it cannot be read or understood.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            if self.ring is None:
                return
            raise TremplinError(
                f"{self._path} is gone. To let nobody in, revoke every key: `tremplin key revoke`."
            ) from None
        except OSError as error:
            raise TremplinError(f"{self._path} cannot be read: {error.strerror}.") from None
        if self.ring is None or content != self._content:
            file = parse(content, self._path)
            self.ring, self._content = KeyRing(file), content
            names = ", ".join(sorted({key.id for key in file.keys})) or "nobody"
            log.info("API keys: %s of %s", len(file.keys), names)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.look()
                problem = ""
            except TremplinError as error:
                problem = f"{error} The last good keys stay."
            if problem and problem != self.problem:  # once, not every two seconds
                log.error("%s", problem)
            self.problem = problem
