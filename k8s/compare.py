"""Send a day that the local server has answered to another server, and compare the scores.

python k8s/compare.py --url http://127.0.0.1:8000 [--home .tremplin/demo/.tremplin] [--day 2013-07-04]

Rows, keys and scores come from the predictions that the demo logged. Only those of the other server's champion are
taken: the same release must give the same score everywhere. Exit code 0 where every one is equal, 1 where not.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tremplin.errors import TremplinError
from tremplin.settings import load_settings
from tremplin.store import open_store, predictions

TOLERANCE = 1e-6  # of a probability: the same model on another processor
BATCH = 250
SHOWN = 8


@dataclass(frozen=True)
class Compared:
    """One row, answered here and there."""

    key: str
    subject: str
    local: float
    other: float

    @property
    def difference(self) -> float:
        """Absolute, of the probability."""
        return abs(self.local - self.other)


def call(url: str, body: Any = None) -> Any:
    """The JSON answer of a GET, or of a POST where there is a body; TREMPLIN_CLIENT_KEY is sent along."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    if key := load_settings().client_key.get_secret_value():
        headers["authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise TremplinError(
            f"{url} answers {error.code}: {error.read().decode(errors='replace')[:500]}"
        ) from None
    except OSError as error:
        raise TremplinError(f"{url} does not answer: {error}.") from None


def logged(home: Path, release: str, day: date | None) -> tuple[date, list[dict[str, Any]]]:
    """The local answers of ``release`` on ``day``, the busiest one unless given."""
    settings = load_settings(home=home.resolve())
    # A row of a group that the release does not answer for has no score to compare.
    mine = (
        (predictions.c.pilot == settings.pilot)
        & (predictions.c.release_id == release)
        & predictions.c.score.is_not(None)
    )
    with open_store(settings).connect() as connection:
        times = connection.execute(sa.select(predictions.c.event_time).where(mine)).scalars()
        days = Counter(t.date() for t in times)
        if not days:
            raise TremplinError(
                f"The local server has logged no prediction of {release} in {home}: run make demo first."
            )
        chosen = day or max(days, key=lambda d: (days[d], d))
        start = datetime.combine(chosen, time(), UTC)
        query = sa.select(predictions).where(mine).order_by(predictions.c.event_time)
        query = query.where(
            predictions.c.event_time >= start, predictions.c.event_time < start + timedelta(days=1)
        )
        found = {row["key"]: dict(row) for row in connection.execute(query).mappings()}
    if not found:
        raise TremplinError(
            f"{release} answered nothing on {chosen}; it did from {min(days)} to {max(days)}."
        )
    return chosen, list(found.values())


def compare(url: str, rows: list[dict[str, Any]], release: str) -> Iterator[Compared]:
    """Send the rows in batches."""
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        answers = call(f"{url}/predict", {"rows": [row["row"] for row in batch]})["predictions"]
        for row, answer in zip(batch, answers, strict=True):
            if (answer["key"], answer["release"]) != (row["key"], release):
                raise TremplinError(
                    f"Asked {release} for {row['key']}, got {answer['release']} for {answer['key']}."
                )
            yield Compared(row["key"], row["subject"] or "", row["score"], answer["score"])


def table(pairs: list[Compared]) -> str:
    """The rows that differ most, then all of them in one line."""
    lines = [f"  {'key':34} {'subject':12} {'local':>12} {'other':>12} {'difference':>11}"]
    lines += [
        f"  {p.key:34.34} {p.subject:12.12} {p.local:12.9f} {p.other:12.9f} {p.difference:11.1e}"
        for p in sorted(pairs, key=lambda p: -p.difference)[:SHOWN]
    ]
    local, other = (
        sum(values) / len(pairs) for values in zip(*((p.local, p.other) for p in pairs), strict=True)
    )
    worst = max(p.difference for p in pairs)
    return "\n".join(
        [
            *lines,
            f"  {f'all {len(pairs)}: means, and the largest':47} {local:12.9f} {other:12.9f} {worst:11.1e}",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", required=True, help="the other server")
    parser.add_argument(
        "--home", type=Path, default=Path(".tremplin/demo/.tremplin"), help="the local server's state"
    )
    parser.add_argument("--day", type=date.fromisoformat, help="UTC; the busiest one if not given")
    given = parser.parse_args(arguments)
    url = given.url.rstrip("/")
    try:
        release = call(f"{url}/release")["champion"]
        day, rows = logged(given.home, release, given.day)
        print(f"compare: {len(rows)} rows of {day}, release {release}")
        pairs = list(compare(url, rows, release))
    except TremplinError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    print(table(pairs))
    different = sum(p.difference > TOLERANCE for p in pairs)
    print(
        f"compare: EQUAL within {TOLERANCE:g}"
        if not different
        else f"compare: NOT EQUAL: {different} of {len(pairs)} rows"
    )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
