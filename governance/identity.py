"""Whose key it is: the list of signers that the IT department keeps, in OpenSSH's format ``allowed_signers``.

The list lies outside the repository: whoever may edit a charter cannot make themselves somebody else. What a person may do
is in the charter (``rights``); the two meet at the contact, which is the principal of the key.
Source of the format: ssh-keygen(1).
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from governance.keys import open_key, public_line
from governance.signatures import KIND, NAMESPACE, fingerprint, signing_key
from tremplin.draft import draft_of
from tremplin.errors import TremplinError
from tremplin.journal import Entry, Signatory

LINE = re.compile(
    r'(?P<contacts>\S+)\s+(?:(?P<options>[a-z-]+(?:="[^"]*")?(?:,[a-z-]+(?:="[^"]*")?)*)\s+)?'
    r"(?P<kind>(?:ssh|ecdsa|sk)-\S+)\s+(?P<key>\S+)",
    re.IGNORECASE,
)
OPTION = re.compile(r'([a-z-]+)(?:="([^"]*)")?', re.IGNORECASE)
TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
CONTACT = re.compile(r"[^\s@,*?!\"#]+@[^\s@,*?!\"#]+")  # one address; OpenSSH would take a pattern, we do not


class NotEnrolled(TremplinError):
    """A key of which the list does not say, for that time, whose it is. It shows nothing about what was signed with it."""


@dataclass(frozen=True)
class Signer:
    """One line of the list: a key, whose it is, from when until when."""

    contact: str
    key: str  # its public line, without a comment
    valid_after: datetime | None
    valid_before: datetime | None
    namespaces: tuple[str, ...]  # empty: any
    line: int = field(default=0, compare=False)  # its number in the list, from 1; 0: not in it

    @property
    def signs_here(self) -> bool:
        """Whether it is enrolled for what we ask signatures for."""
        return not self.namespaces or NAMESPACE in self.namespaces

    def refusal(self, at: datetime) -> str | None:
        """Why this line does not count at that time; None if it does."""
        name = f"{fingerprint(self.key)} of {self.contact}"
        if not self.signs_here:
            return f"the key {name} is enrolled for {', '.join(self.namespaces)}, not for {NAMESPACE}"
        if self.valid_after and at < self.valid_after:
            return f"the key {name} is valid from {self.valid_after:%Y-%m-%d %H:%M} UTC on, not before"
        if self.valid_before and at >= self.valid_before:
            return f"the enrolment of the key {name} ended on {self.valid_before:%Y-%m-%d %H:%M} UTC"
        return None


def read_signers(path: Path) -> list[Signer]:
    """The Ed25519 keys of the list; no list is an empty one, and keys of other kinds are left to others.

    Raises:
        TremplinError: the list cannot be read, or a line cannot be understood; it is named.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _no_list(path, error) from None
    found = []
    for number, text in enumerate(lines, 1):
        if not text.strip() or text.strip().startswith("#"):
            continue
        try:
            found += _signers(text, path, number)
        except (ValueError, TremplinError) as error:
            raise TremplinError(
                f"{path}:{number} is no line of allowed_signers: {error}. Mend it or remove it."
            ) from None
    return found


def holder(signers: list[Signer], key: str, at: datetime) -> str:
    """The contact of the person whose key it is at that time.

    Raises:
        NotEnrolled: nobody enrolled it, its time is over or has not come, or two people share it.
    """
    lines = [signer for signer in signers if signer.key == key]
    if not lines:
        raise NotEnrolled(
            f"Nobody enrolled the key {fingerprint(key)}. The IT department does: `tremplin identity enrol`."
        )
    refusals = [refusal for signer in lines if (refusal := signer.refusal(at))]
    contacts = sorted({signer.contact for signer in lines if signer.refusal(at) is None})
    if not contacts:
        said = "; ".join(refusals)
        raise NotEnrolled(f"{said[0].upper()}{said[1:]}. Ask the IT department to enrol it anew.")
    if len(contacts) > 1:
        raise NotEnrolled(
            f"The key {fingerprint(key)} is enrolled for {' and '.join(contacts)}: a key is one person's. "
            "The IT department must remove a line."
        )
    return contacts[0]


def identify(key: Path, signers: Path, now: datetime) -> Signatory:
    """Who holds the private half of ``key``, ready to sign; ``now`` is the real clock, never a time that somebody named.

    Raises:
        TremplinError: the key cannot be read, or is nobody's at that time.
    """
    opened = open_key(key)
    contact = holder(read_signers(signers), opened.public, now)

    def signed(message: bytes) -> str:
        signature = opened.sign(message)
        if signing_key(message, signature) != opened.public:
            raise TremplinError(f"{key} did not make a signature of {fingerprint(opened.public)}. Try again.")
        return signature

    return Signatory(contact, signed)


def signature_problem(entry: Entry, signers: list[Signer]) -> str | None:
    """Why an entry does not prove that the person it names wrote it; None where it does."""
    try:
        prove(entry, signers)
    except TremplinError as error:
        return str(error)
    return None


def prove(entry: Entry, signers: list[Signer]) -> None:
    """Compare an entry with its signature, and whose key made it with the person it names.

    Raises:
        NotEnrolled: the signature is of what the entry says; whose it is, the list does not say.
        TremplinError: it is not, there is none, or it is another's than the entry says.
    """
    key = key_of(entry)
    if key is None:
        signed = isinstance(entry.facts.get("signature"), str)
        raise TremplinError("its signature is not of what it says" if signed else "no person signed it")
    contact = holder(signers, key, entry.recorded_at)
    if contact != entry.facts.get("contact"):
        raise TremplinError(f"{contact} signed it, in another's name")


def key_of(entry: Entry) -> str | None:
    """The public line of the key that signed exactly what an entry says; None if none did."""
    signature = entry.facts.get("signature")
    try:
        return signing_key(entry.statement(), signature) if isinstance(signature, str) else None
    except ValueError:  # a number that has no form in JSON: nobody can have signed it
        return None


def enrol(path: Path, contact: str, key: Path, until: datetime | None = None) -> Signer:
    """Add a person's public key to the list, for Tremplin only; a line that is there already is not written twice.

    Raises:
        TremplinError: no contact, no public key, or the key is another person's; a line lets it sign for longer; the list cannot
            be written, or what was written does not stand in it.
    """
    if not CONTACT.fullmatch(contact):
        raise TremplinError(f"{contact!r} is no contact. Give the e-mail address that the charter names.")
    try:
        public = public_line(key.expanduser().read_text("utf-8", "replace"), key)
    except OSError as error:
        raise TremplinError(f"The public key {key} cannot be read: {error.strerror}.") from None
    known = [signer for signer in read_signers(path) if signer.key == public]
    others = {signer.contact for signer in known if signer.contact != contact}
    if others:
        raise TremplinError(
            f"{key} is the key of {', '.join(others)}: a key is one person's. {contact} needs their own."
        )
    before = until.astimezone(UTC).replace(microsecond=0) if until else None
    _refuse_longer([signer for signer in known if signer.signs_here], before, path)
    signer = Signer(contact, public, None, before, (NAMESPACE,))
    if signer not in known:
        options = f'namespaces="{NAMESPACE}"' + (f",{_ending(before)}" if before else "")
        try:
            _add_line(path, f"{contact} {options} {public}")
        except OSError as error:
            raise _no_list(path, error) from None
        if signer not in read_signers(path):
            raise TremplinError(f"{path} took the line of {contact} and does not hold it. Is it a file?")
    return signer


def end_enrolment(path: Path, contact: str, key: str | None, at: datetime) -> list[Signer]:
    """End a person's lines at ``at``, which has whole seconds; those that changed. None is removed: it shows who signed before.

    Args:
        key: fingerprint, ``SHA256:…``; None: every key of theirs.

    Raises:
        TremplinError: the list does not name them, or not that key as theirs; it cannot be read or written.
    """
    own = [signer for signer in read_signers(path) if signer.contact == contact and signer.signs_here]
    if not own:
        known = ", ".join(sorted({signer.contact for signer in read_signers(path)})) or "nobody"
        raise TremplinError(f"{contact} is not enrolled in {path}. It names {known}.")
    meant = [signer for signer in own if key in (None, fingerprint(signer.key))]
    if not meant:
        known = ", ".join(sorted({fingerprint(signer.key) for signer in own}))
        raise TremplinError(f"{key} is no key of {contact} in {path}. Theirs: {known}.")
    ending = [signer for signer in meant if signer.valid_before is None or signer.valid_before > at]
    if ending:
        try:
            _rewrite(path, {signer.line: signer for signer in ending}, at)
        except OSError as error:
            raise _no_list(path, error) from None
    return ending


def _rewrite(path: Path, ending: dict[int, Signer], at: datetime) -> None:
    """The list, whole or not at all, with an end in the lines of those numbers."""
    kept = path.resolve()  # where a link leads
    lines = kept.read_text("utf-8").split("\n")
    draft = draft_of(kept)
    draft.write_text(
        "\n".join(
            new
            for number, text in enumerate(lines, 1)
            for new in (_ended(text, ending[number], at) if number in ending else [text])
        ),
        "utf-8",
    )
    shutil.copymode(kept, draft)
    draft.replace(kept)


def _ended(text: str, signer: Signer, at: datetime) -> list[str]:
    """A line with its end, for everybody on it: a shared key is nobody's. What never began leaves no line."""
    if signer.valid_after and signer.valid_after >= at:
        return []
    line = LINE.match(text.strip())
    assert line is not None, "it was read as a line"
    options = [found[0] for found in OPTION.finditer(line["options"] or "")]
    kept = [option for option in options if not option.lower().startswith("valid-before")]
    return [f"{line['contacts']} {','.join([*kept, _ending(at)])} {text.strip()[line.start('kind') :]}"]


def _refuse_longer(known: list[Signer], before: datetime | None, path: Path) -> None:
    """Every line counts, so none that is added takes anything from one that is there."""
    for signer in known:
        if before and (signer.valid_before is None or signer.valid_before > before):
            end = (
                f"until {signer.valid_before:%Y-%m-%d %H:%M} UTC" if signer.valid_before else "without an end"
            )
            raise TremplinError(
                f"{path}:{signer.line} enrols the key of {signer.contact} {end}, and a second line would not end it. "
                f"Write {_ending(before)} among the options of that line."
            )


def _ending(before: datetime) -> str:
    return f'valid-before="{before:%Y%m%d%H%M%S}Z"'


def _add_line(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.exists() and path.read_bytes()[-1:] not in (
        b"",
        b"\n",
    )  # a last line that an editor left open
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), "a", encoding="utf-8"
    ) as file:
        file.write("\n" * begun + line + "\n")


def _no_list(path: Path, error: OSError | UnicodeDecodeError) -> TremplinError:
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
    return TremplinError(
        f"The list of signers {path} cannot be read or written: {why}. TREMPLIN_ALLOWED_SIGNERS names a file."
    )


def _signers(text: str, path: Path, number: int) -> list[Signer]:
    line = LINE.match(text.strip())
    if line is None:
        raise ValueError("it should say `contact options ssh-ed25519 key`")
    if line["kind"] != KIND.decode():
        return []
    options = {name.lower(): value for name, value in OPTION.findall(line["options"] or "")}
    unknown = sorted(set(options) - {"namespaces", "valid-after", "valid-before"})
    if unknown:
        raise ValueError(f"the option {unknown[0]} is not supported")
    contacts = line["contacts"].strip('"').split(",")
    if patterns := [contact for contact in contacts if not CONTACT.fullmatch(contact)]:
        raise ValueError(f"{patterns[0]!r} is no e-mail address, and patterns are nobody's name")
    after, before = (
        _time(options[name]) if name in options else None for name in ("valid-after", "valid-before")
    )
    namespaces = tuple(name for name in options.get("namespaces", "").split(",") if name)
    key = public_line(f"{line['kind']} {line['key']}", path)
    return [Signer(contact, key, after, before, namespaces, number) for contact in contacts]


def _time(text: str) -> datetime:
    """OpenSSH's times: ``YYYYMMDD[HHMM[SS]]``, in this machine's zone, or in UTC with a ``Z`` behind."""
    digits = text.removesuffix("Z").removesuffix("z")
    form = TIMES.get(len(digits))
    if form is None or not digits.isdigit():
        raise ValueError(f"{text!r} is no time such as 20301231Z")
    moment = datetime.strptime(digits, form)  # noqa: DTZ007  (the zone follows)
    return (moment.replace(tzinfo=UTC) if digits != text else moment.astimezone()).astimezone(UTC)
