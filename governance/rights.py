"""Who may do what, and for how long: people of the charter, as it is here and as it was committed.

A charter in the working copy is whatever its last editor wanted. Where git knows a commit, a right is one that the charter
gives in both: what was only written here gives none, and what was taken away here is gone.
"""

from __future__ import annotations

from typing import TypeVar

import yaml
from pydantic import TypeAdapter

from tremplin.charter import Permission, Person
from tremplin.errors import TremplinError
from tremplin.git import below_top, git
from tremplin.pilot import Pilot
from tremplin.pilot_file import Days

T = TypeVar("T")
HEAD = "HEAD"  # what is committed now


def allowed(pilot: Pilot, contact: str, permission: Permission, commit: str | None = HEAD) -> Person:
    """The person with that contact, as the committed charter names them, if every charter that counts lets them.

    Args:
        commit: where the charter is read that has a history; None, for the demo's stand-in, counts the one here alone.

    Raises:
        TremplinError: they are not in it, lack the permission, or would approve as an author; it says who may. Git is here,
            and nothing of the pilot is in the commit.
    """
    person = _allowed(pilot.charter.people, contact, permission, pilot.name)
    known = known_commit(pilot, commit) if commit else None
    if known is None:
        return person
    return _allowed(_people_in(pilot, known), contact, permission, f"{pilot.name} (in commit {known[:12]})")


def named(pilot: Pilot, contact: str) -> Person:
    """The person with that contact, whatever they may; as the committed charter names them, if every charter that counts does.

    Raises:
        TremplinError: one does not. Git is here, and nothing of the pilot is in the newest commit.
    """
    known = known_commit(pilot, HEAD)
    charters = [pilot.charter.people, *([_people_in(pilot, known)] if known else [])]
    for people in charters:
        if not people_of(people, contact):
            names = ", ".join(person.name for person in people)
            raise TremplinError(
                f"{contact} is not in the charter of {pilot.name}: its journal is written by {names}."
            )
    return people_of(charters[-1], contact)[0]


def approval_days(pilot: Pilot, commit: str | None) -> int:
    """For how long an approval holds: ``gate.approval_days`` as committed there, or here without git.

    Args:
        commit: as of ``allowed``; None, for the demo's stand-in, counts what is here.

    Raises:
        TremplinError: nothing of the pilot is in the commit, or its file does not say it.
    """
    known = known_commit(pilot, commit) if commit else None
    if known is None:
        return pilot.file.gate.approval_days
    return _committed(
        pilot, known, ("gate", "approval_days"), TypeAdapter(Days), "how long an approval holds"
    )


def known_commit(pilot: Pilot, commit: str) -> str | None:
    """The hash of that commit, or of the newest where git does not have it; None without git (an image, a copied folder)."""
    found = (git(pilot.folder, "rev-parse", "-q", "--verify", f"{c}^{{commit}}") for c in (commit, HEAD))
    return next((said.strip() for said in found if said), None)


def people_of(people: list[Person], contact: str) -> list[Person]:
    """Everybody with that contact: one person, in a charter that was checked."""
    return [person for person in people if person.contact.casefold() == contact.casefold()]


def able_to(people: list[Person], permission: Permission) -> str:
    """Names of those who have a permission; who may approve is never an author."""
    found = [
        person.name
        for person in people
        if permission in person.may and not (permission == "approve" and _is_author(people, person.contact))
    ]
    return ", ".join(found) or "nobody"


def _allowed(people: list[Person], contact: str, permission: Permission, what: str) -> Person:
    able = able_to(people, permission)
    if permission == "approve" and _is_author(people, contact):
        raise TremplinError(
            f"{contact} is an author of {what} and cannot approve their own model. Who may approve: {able}."
        )
    found = people_of(people, contact)
    if not found:
        raise TremplinError(f"{contact} is not in the charter of {what}. Who may {permission} it: {able}.")
    may = [person for person in found if permission in person.may]
    if not may:
        raise TremplinError(
            f"{found[0].name} ({found[0].role}) may not {permission} {what}. Who may: {able}."
        )
    return may[0]


def _is_author(people: list[Person], contact: str) -> bool:
    """Whether a charter names them as an author, in whichever of their roles."""
    return any("author" in person.may for person in people_of(people, contact))


def _people_in(pilot: Pilot, commit: str) -> list[Person]:
    """Whom the charter names in a commit that git has."""
    return _committed(pilot, commit, ("charter", "people"), TypeAdapter(list[Person]), "who may do what")


def _committed(pilot: Pilot, commit: str, place: tuple[str, str], kind: TypeAdapter[T], what: str) -> T:
    """One entry of ``pilot.yaml`` in a commit that git has.

    Raises:
        TremplinError: nothing of the pilot is in it, its folder is not at the top, or the entry cannot be read.
    """
    file = f"pilots/{pilot.name}/pilot.yaml"
    if below := below_top(pilot.folder.parents[1]):
        raise TremplinError(
            f"The project lies in {below} of its git repository, and who may do what is read from {file} at the top of one: make "
            "the project a repository of its own (`git init` there), with `pilots/` at its top."
        )
    try:
        text = git(pilot.folder, "show", f"{commit}:{file}")
        if text is None:
            raise TremplinError(
                f"{file} is not in commit {commit[:12]}: a charter without a history gives nobody a right. Commit the pilot; a "
                "model that was made at a commit without it has to be made again."
            )
        section, entry = place
        return kind.validate_python(yaml.safe_load(text)[section][entry])
    except (yaml.YAMLError, ValueError, TypeError, KeyError):
        raise TremplinError(
            f"{file} in commit {commit[:12]} does not say {what} (`{'.'.join(place)}`). "
            "Commit one that `tremplin check` accepts."
        ) from None
