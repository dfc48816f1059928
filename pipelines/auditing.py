"""Protected columns of the people who were answered, asked of the source for as long as a window is measured.

Requirement: special categories may be processed to find bias, and for nothing else (GDPR, article 9; AI Act, article 10(5)).
Risk: a second store of origin and disability beside the answers; somebody who withdrew is looked at all the same.
Quality method: never from a request or the prediction store. The source, which holds them for the declared purpose, is asked for
the days that are measured; the key and the protected columns are kept in memory until the groups are counted, the rest is dropped
at once, pages that a source sends are not kept, and no error holds a value. Who withdrew is left out before anything looks.
Evidence: numbers of groups alone (``monitoring.fairness``).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.fetching import fetched
from pipelines.stages import typed
from pipelines.withdrawal import Withdrawn
from tremplin.contract import Column, Contract
from tremplin.errors import SourceAway, TremplinError
from tremplin.pilot import Pilot
from tremplin.sources.reading import reading

if TYPE_CHECKING:
    import pandas as pd


def protected_rows(pilot: Pilot, start: datetime, end: datetime, *, withdrawn: Withdrawn) -> pd.DataFrame:
    """The key and the protected columns of the events in ``[start, end)``, without who has ``withdrawn``.

    Rows whose protected columns are not what the contract says are left out: whose group is not known belongs to none.

    Raises:
        TremplinError: the source does not answer, or no row has these columns as the contract says. No value is in the message.
    """
    from tremplin.batch_checks import check_rows

    contract = pilot.contract
    narrow = _only(contract, [contract.column(contract.key), *contract.protected])
    try:
        with reading(None):
            rows = fetched(pilot, start, end)
    except SourceAway:
        raise SourceAway("the source does not answer; monitor the window again later") from None
    except TremplinError:  # its text may quote a row
        raise TremplinError("the source failed; `tremplin run` asks the same source and says why") from None
    rows = withdrawn.leave_out(rows, contract)
    checked = check_rows(rows[[c.name for c in narrow.columns if c.name in rows]], narrow)
    if checked.breaches and checked.accepted.empty:
        wrong = ", ".join(sorted({f"{breach.column} ({breach.check})" for breach in checked.breaches}))
        raise TremplinError(f"no row of the source has its protected columns as the contract says: {wrong}")
    return typed(checked.accepted, narrow)


def _only(contract: Contract, columns: list[Column]) -> Contract:
    """The contract of some of its columns."""
    table = contract.schema_[0].model_copy(update={"properties": columns})
    return contract.model_copy(update={"schema_": [table]})
