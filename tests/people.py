"""The people of the charter of `flights` (and so of `lamps`), each with a key of their own that is enrolled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from governance.identity import enrol, identify
from governance.keys import make_key
from tremplin.journal import Signatory

NAMES = ("Camille Laurent", "Noor Haddad", "Ines Moreau")
STRANGER = "Mallory Nobody"  # has a key; nobody enrolled it


def contact(name: str) -> str:
    """As the charter has it."""
    return f"{name.lower().replace(' ', '.')}@airline.example"


@dataclass(frozen=True)
class People:
    """Keys under a folder, and the list of whose they are."""

    folder: Path

    @property
    def signers(self) -> Path:
        return self.folder / "allowed_signers"

    def key(self, name: str) -> Path:
        return self.folder / name.split(maxsplit=1)[0].lower()

    def signatory(self, name: str) -> Signatory:
        return identify(self.key(name), self.signers, datetime.now(UTC))


def make_people(folder: Path) -> People:
    """Everybody's key; all but the stranger's are enrolled."""
    people = People(folder)
    for name in NAMES:
        enrol(people.signers, contact(name), make_key(people.key(name)))
    make_key(people.key(STRANGER))
    return people
