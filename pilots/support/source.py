"""Residents of Massachusetts of working age, 2015 to 2018, as an employment service would know them before it writes to them.

The data is the American Community Survey (ACS) of the US Census Bureau, its public use microdata, which the PyPI package
``nannyml`` (Apache-2.0) carries in three Parquet files. They are read as files; no code of the package is used.

Two things are made here that the files do not say:

- **Households.** The file keeps the survey's order: the reference person comes first, then everybody who lives with them;
  residents of group quarters stand alone. So households can be told apart, though their number was taken out.
- **Days.** Only the year of an interview is published. The survey draws a sample for each month, at random and of nearly
  equal size (ACS Design and Methodology, 2014, chapter 4), so a household is given a day of its year by a hash of its
  number, each day as likely as any other. What differs between years is real; what differs within a year is chance, and
  there are no seasons in it.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from hashlib import blake2b

import numpy as np
import pandas as pd

from tremplin.api import TremplinError, package_files

TIMEZONE = "America/New_York"
KEY = b"tremplin support"  # of the hash; with another one every household has another day and another name
PROCESSING = pd.Timedelta(days=14)  # from the interview until its answers are coded; every row gets a label

# Years, both included: the survey asks about work from 16 on, and most pensions begin at 65.
WORKING_AGE = (16, 64)
REFERENCE_PERSON, INSTITUTION, GROUP_QUARTERS = "0", "16", "17"  # codes of RELP
ON_ACTIVE_DUTY = "1"  # code of MIL
SMALL = 6  # years: a child below that age is not at school all day

# Married or not is nobody's business here (and indirectly says who is a woman): spouse and unmarried partner are one.
PARTS = {
    "reference_person": ["0"],
    "partner": ["1", "13"],
    "child": ["2", "3", "4", "14"],
    "parent": ["6", "8"],
    "other_relative": ["5", "7", "9", "10"],
    "not_related": ["11", "12", "15"],
    "group_quarters": ["17"],
}
ORIGINS = {
    "white": ["1"],
    "black": ["2"],
    "american_indian_or_alaska_native": ["3", "4", "5"],
    "asian": ["6"],
    "pacific_islander": ["7"],
    "other": ["8"],
    "two_or_more": ["9"],
}
FILES = [f"datasets/data/employment_MA_{part}.pq" for part in ("reference", "analysis", "analysis_target")]
USED = ["id", "year", "AGEP", "SCHL", "RELP", "MIL", "SEX", "RAC1P", "DIS", "NATIVITY"]
COLUMNS = [
    "resident", "contact_day", "household", "age", "education", "household_part", "household_size", "small_children",
    "partner_age", "sex", "origin", "disability", "foreign_born", "without_work", "interview_coded",
]  # fmt: skip


def fetch(start: datetime, end: datetime, known_at: datetime | None = None) -> pd.DataFrame:
    """Residents whose household's day lies in ``[start, end)`` (aware times), with the columns of ``contract.yaml``, by day.

    ``known_at``: made of what was known at that moment alone. A household's members share its day, so none is missed.
    """
    package_files("nannyml", *FILES)  # read once in a process, and noted in every snapshot
    people = answers()
    people = people[people["contact_day"].between(start, end, inclusive="left")]
    if known_at:
        people = as_known_at(people, known_at)
    return residents(people)


def as_known_at(people: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    """The same answers without those that were not coded at ``moment``: about work; the register knows the others before."""
    return people.assign(employed=people["employed"].where(people["contact_day"] + PROCESSING <= moment))


def residents(people: pd.DataFrame) -> pd.DataFrame:
    """Everybody the service could write to: of working age, not in an institution, not on active duty; in order of day."""
    described = survey(people)
    asked = described["AGEP"].between(*WORKING_AGE) & (described["RELP"] != INSTITUTION)
    described = described[asked & (described["MIL"] != ON_ACTIVE_DUTY)]
    return described.sort_values(["contact_day", "resident"], ignore_index=True)[COLUMNS]


def survey(people: pd.DataFrame) -> pd.DataFrame:
    """Every person of whole households, children and institutions included, with the contract's columns beside the codes."""
    people, household = people.copy(), people["household"]
    members = people.groupby(household)
    people["resident"] = "R" + people["id"].astype(str).str.zfill(6)
    people["age"] = people["AGEP"].astype("int64")
    people["education"] = people["SCHL"].astype("int64")
    people["household_part"] = _named(people["RELP"], PARTS)
    people["household_size"] = members["id"].transform("size")
    people["small_children"] = (people["AGEP"] < SMALL).groupby(household).transform("sum")
    people["partner_age"] = _partner_age(people, household)
    people["sex"] = people["SEX"].map({"1": "male", "2": "female"})
    people["origin"] = _named(people["RAC1P"], ORIGINS)
    people["disability"] = people["DIS"] == "1"
    people["foreign_born"] = people["NATIVITY"] == "2"
    people["without_work"] = (people["employed"] == 0).astype("boolean").mask(people["employed"].isna())
    people["interview_coded"] = (people["contact_day"] + PROCESSING).where(people["employed"].notna())
    return people


@cache
def answers() -> pd.DataFrame:
    """What the files say of every person, with the day and the pseudonym of their household."""
    people = _raw()
    alone = people["RELP"].isin([INSTITUTION, GROUP_QUARTERS])
    number = (alone | (people["RELP"] == REFERENCE_PERSON)).cumsum()
    people["contact_day"], people["household"] = _day_and_name(number, people["year"])
    return people


def _raw() -> pd.DataFrame:
    """The survey's own columns in the survey's own order; codes are text."""
    paths = package_files("nannyml", *FILES)
    try:
        first, later, labels = (pd.read_parquet(path) for path in paths)
        later = later.merge(labels, on="id", validate="one_to_one")
    except (OSError, ValueError) as error:
        raise TremplinError(
            f"The survey in {paths[0].parent} cannot be read: {error}. Install the data again with `make setup`."
        ) from error
    people = pd.concat([first[[*USED, "employed"]], later[[*USED, "employed"]]], ignore_index=True)
    codes = [name for name in USED if name not in ("id", "year", "AGEP")]
    return people.astype(dict.fromkeys(codes, "str"))


def _day_and_name(household: pd.Series, year: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The midnight at which each household's day begins, and its pseudonym, by person; both from one keyed hash."""
    numbers = household.drop_duplicates()
    digests = [blake2b(str(number).encode(), key=KEY, digest_size=16).digest() for number in numbers]
    drawn = np.array([int.from_bytes(digest[:8]) for digest in digests], dtype="float64") / 2.0**64
    first = pd.to_datetime(year[numbers.index].astype(str), format="%Y")
    length = np.where(first.dt.is_leap_year, 366, 365)
    days = first + pd.to_timedelta(np.minimum(drawn * length, length - 1).astype("int64"), unit="D")
    names = pd.Series(["H" + digest[8:].hex() for digest in digests], index=numbers)
    midnights = pd.Series(days.dt.tz_localize(TIMEZONE).dt.tz_convert("UTC").to_numpy(), index=numbers)
    return household.map(midnights), household.map(names)


def _partner_age(people: pd.DataFrame, household: pd.Series) -> pd.Series:
    """Age of the other one of the couple that the household is named by; missing for everybody else."""
    parts = [people["household_part"] == part for part in ("reference_person", "partner")]
    ages = [people["AGEP"].where(part).groupby(household).transform("first") for part in parts]
    return ages[1].where(parts[0], ages[0].where(parts[1]))


def _named(codes: pd.Series, names: dict[str, list[str]]) -> pd.Series:
    """The name of each code; missing where the code has none."""
    return codes.map({code: name for name, listed in names.items() for code in listed})
