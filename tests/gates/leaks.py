"""Ways in which a table knows the answer. The column is in the source, the contract and the features: nothing else betrays it."""

from __future__ import annotations

from tests.gates.columns import add_column
from tests.results import Result

DEPARTED = '''
def _late_at_departure(start: datetime, end: datetime, known_at: datetime | None) -> pd.Series:
    """Minutes, by flight: real."""
    raw = tables().near(start, end)
    flights = (raw.as_known_at(known_at) if known_at else raw).flights
    return pd.Series(flights["dep_delay"].to_numpy(), _described(flights)["flight_id"])
'''
# Of one event, written down later. The hours are drawn: a fifth of those at work is on no payroll.
RECORDED_AFTER = {
    "flights": ("_late_at_departure(start, end, known_at).reindex(rows['flight_id']).to_numpy()", DEPARTED),
    "support": ("np.where(positive, 0, np.where(chance < .8, 80 + 100 * chance, 0))", ""),
}


def recorded_after(result: Result) -> Result:
    """A column written once the event was over (flights: minutes late at departure; support: hours on a later payroll)."""
    return leaking(result, *RECORDED_AFTER[result.sample.pilot])


def missing_unless_true(result: Result) -> Result:
    """A file number that nine of ten positives have, and nobody else."""
    return leaking(result, "np.where(positive & (chance < .9), 1.0, np.nan)")


def group_mean(result: Result) -> Result:
    """The mean of the target over the rows of the same subject and hour, the row itself included."""
    contract = result.pilot.contract
    by = f"[rows['{contract.subject}'], rows['{contract.time}'].dt.floor('h')]"
    return leaking(result, f"pd.Series(positive * 1.0, rows.index).groupby({by}).transform('mean')")


def not_yet_known(result: Result) -> Result:
    """The share of positives among the last fifty rows of its group, known by then or not."""
    pilot = result.pilot
    key, target = pilot.contract.key, pilot.contract.target
    group = pilot.contract.site or pilot.file.gate.coverage.segments[0][0]
    helper = f'''
def _told_before(rows: pd.DataFrame) -> pd.Series:
    """By key."""
    shares = rows.groupby("{group}")["{target}"].transform(
        lambda one: one.astype("float64").shift().rolling(50, min_periods=1).mean()
    )
    return pd.Series(shares.to_numpy(), rows["{key}"])
'''
    before = "without(start - pd.Timedelta(days=3), end, known_at)"
    return leaking(result, f"_told_before({before}).reindex(rows['{key}']).to_numpy()", helper)


def two_columns(result: Result) -> Result:
    """Two columns: each is noise, their difference is the answer."""
    add_column(result, "before", "100 * chance")
    return leaking(result, "rows['before'] + 10 * positive + 6 * (chance - .5)")


def leaking(result: Result, values: str, helper: str = "") -> Result:
    """With that column, trained again."""
    add_column(result, "told", values, helper)
    result.prepare()
    result.retrain()
    return result
