"""Who has withdrawn their consent: identifiers whose rows never enter a snapshot, and so nothing that is made of one.

Requirement: withdrawing is as easy as giving (GDPR, article 7(3)): one line in a file, honoured at the next ingestion.
Risk: a list that is lost or cannot be read brings people back; a log or an error names those who asked to be left out.
Quality method: the list is state, not code (``TREMPLIN_WITHDRAWN``); what cannot be read is an error, never an empty list;
only counts and a hash leave this module; how many identifiers were met by no row is one of them, for a list that is written
otherwise than the source writes leaves nobody out.
Evidence: ``withdrawn`` and ``withdrawn_unmatched`` in ``snapshot.json``, and the MLflow tag ``tremplin.withdrawn``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tremplin.contract import Contract
from tremplin.errors import TremplinError
from tremplin.settings import WITHDRAWN, Settings

if TYPE_CHECKING:
    import pandas as pd

WHOLE = re.compile(r"-?\d+\.0*")
COMMENT = re.compile(r"(^|\s)#.*")  # an identifier may hold a `#`, but not after a space


@dataclass(frozen=True)
class Withdrawn:
    """Keys and subjects, as text. They are not in its ``repr``, so that no trace of an error shows them."""

    identifiers: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the sorted identifiers: another list, another snapshot; their order and comments do not matter."""
        return hashlib.sha256("\n".join(sorted(self.identifiers)).encode()).hexdigest()

    def leave_out(self, rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
        """The rows of which neither the key nor the subject is listed, in their order."""
        asked = {_plain(identifier) for identifier in self.identifiers}
        for name in _naming(rows, contract) if asked else []:
            rows = rows[~_as_text(rows[name]).isin(asked).to_numpy()]
        return rows

    def unmatched(self, rows: pd.DataFrame, contract: Contract) -> int:
        """How many identifiers are neither key nor subject of a row: of another pilot or time, or written otherwise."""
        found = {text for name in _naming(rows, contract) for text in _as_text(rows[name]).dropna().unique()}
        return sum(_plain(identifier) not in found for identifier in self.identifiers)


NOBODY = Withdrawn()


def read_withdrawn(settings: Settings) -> Withdrawn:
    """The list that ``settings.withdrawn`` names: one identifier a line, of any pilot, with ``#`` comments.

    Where no setting names a list and there is none in its usual place, nobody has withdrawn.

    Raises:
        TremplinError: it is named and not there, or not readable as UTF-8 text.
    """
    path = settings.withdrawn
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError as error:
        if path == settings.home / WITHDRAWN:
            return NOBODY
        raise _unreadable(path, "is not there") from error
    except (OSError, UnicodeDecodeError) as error:
        # Without the cause: a UnicodeDecodeError carries the file's bytes.
        reason = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else "is not UTF-8 text"
        raise _unreadable(path, reason) from None
    return Withdrawn(frozenset(filter(None, (COMMENT.sub("", line).strip() for line in lines))))


def _unreadable(path: Path, why: str) -> TremplinError:
    return TremplinError(
        f"The list of withdrawn consents {path} {why}, so nobody can say whose rows may be used. Bring it back, or mend "
        "TREMPLIN_WITHDRAWN; nothing was ingested."
    )


def _naming(rows: pd.DataFrame, contract: Contract) -> list[str]:
    return [name for name in (contract.key, contract.subject) if name is not None and name in rows]


def _as_text(values: pd.Series) -> pd.Series:
    """Keys or subjects as the list is compared with them; what is missing stays so."""
    return values.astype(object).map(_plain, na_action="ignore")


def _plain(value: object) -> str:
    """Without spaces around it, and a whole number without a decimal point, whatever type the source gives it."""
    if isinstance(value, float | Decimal) and value % 1 == 0:
        return str(int(value))
    text = str(value).strip()
    return text.partition(".")[0] if WHOLE.fullmatch(text) else text
