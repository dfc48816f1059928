"""docs/sources.md: each example is the source of a whole pilot, and gives the very rows that the CSV beside it gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from pipelines.ingestion import ingest
from tests.pipelines.lamp_town import AS_OF, Town, lamps, town
from tests.postgres import postgres
from tests.tremplin.city_service import City, city
from tremplin.errors import SourceAway

DOCUMENT = Path(__file__).parents[2] / "docs" / "sources.md"
EXAMPLES = dict(
    re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
)
OUTCOME = ["failed", "failed_known_at"]


@pytest.fixture
def documented(tmp_path: Path, request: pytest.FixtureRequest) -> Town:
    """The pilot with the source of the page, and no CSV."""
    made = town(tmp_path / "documented")
    made.csv.unlink()
    made.csv.with_name("source.py").write_text(EXAMPLES[request.param], "utf-8")
    return made


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The snapshot of the same rows from a CSV."""
    made = town(tmp_path_factory.mktemp("csv"))
    ingest(made.pilot, made.paths, AS_OF)
    return pd.read_parquet(made.paths.snapshot)


def assert_as_expected(documented: Town, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(pd.read_parquet(documented.paths.snapshot), expected)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    rows = json.loads(lamps().to_json(orient="records", date_format="iso", date_unit="s"))
    with city() as made:
        made.rows, made.time, made.size, made.token = rows, "morning", 500, "Bearer hunter2"
        monkeypatch.setenv("LAMPS_SERVICE", made.url)
        monkeypatch.setenv("LAMPS_AUTHORIZATION", "Bearer hunter2")
        yield made


def test_the_page_shows_one_example_a_source() -> None:
    assert list(EXAMPLES) == ["sql", "files", "rest"]


def test_what_a_pilot_imports_costs_nothing_until_it_is_called() -> None:
    costly = {"pandas", "numpy", "pyarrow", "fsspec", "httpx", "sqlalchemy"}
    code = f"import sys, tremplin.api; print(sorted({costly} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=DOCUMENT.parents[1], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("documented", ["sql"], indirect=True)
def test_the_database_of_the_page(
    documented: Town, expected: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = lamps()
    with postgres() as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            rows.drop(columns=OUTCOME).to_sql("checks", connection, index=False)
            rows[["check_id", *OUTCOME]].dropna().to_sql("outcomes", connection, index=False)
        monkeypatch.setenv("LAMPS_DATABASE", url)
        facts = ingest(documented.pilot, documented.paths, AS_OF)
    assert_as_expected(documented, expected)
    assert [(origin.kind, origin.rows) for origin in facts.origins] == [("sql", 7_200)]


@pytest.mark.parametrize("documented", ["files"], indirect=True)
def test_the_files_of_the_page(
    documented: Town, expected: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = lamps()
    for month, part in rows.drop(columns=OUTCOME).groupby(rows["morning"].dt.strftime("%Y-%m")):
        part.to_parquet(tmp_path / f"checks-{month}.parquet", index=False)
    outcomes = rows[["check_id", *OUTCOME]].dropna()
    outcomes.to_csv(tmp_path / "outcomes.csv", index=False)
    monkeypatch.setenv("LAMPS_FILES", str(tmp_path))
    facts = ingest(documented.pilot, documented.paths, AS_OF)
    assert_as_expected(documented, expected)
    assert [(origin.kind, len(origin.evidence)) for origin in facts.origins] == [("files", 4), ("files", 1)]
    assert facts.origins[0].rows == 7_200
    assert ingest(documented.pilot, documented.paths, AS_OF) == facts  # read back, and nothing asked again
    assert pd.read_parquet(documented.paths.snapshot)["failed"].notna().sum() == facts.labelled


@pytest.mark.parametrize("documented", ["rest"], indirect=True)
def test_the_service_of_the_page(documented: Town, expected: pd.DataFrame, service: City) -> None:
    facts = ingest(documented.pilot, documented.paths, AS_OF)
    assert_as_expected(documented, expected)
    assert [(origin.kind, origin.rows, origin.evidence["pages"]) for origin in facts.origins] == [
        ("rest", 7_200, 15)
    ]
    assert "hunter2" not in documented.paths.snapshot_facts.read_text("utf-8")


@pytest.mark.parametrize("documented", ["rest"], indirect=True)
def test_a_service_that_goes_away_leaves_no_snapshot_and_the_next_try_goes_on(
    documented: Town, expected: pd.DataFrame, service: City
) -> None:
    service.faults = [None] * 9 + ["429 Retry-After=600"]
    with pytest.raises(SourceAway, match="It asks to wait 600 s"):
        ingest(documented.pilot, documented.paths, AS_OF)
    assert not documented.paths.snapshot.exists()
    pages = documented.paths.snapshot.with_name("pages")
    assert len(list(pages.glob("*/*.json"))) == 9
    service.asked.clear()
    ingest(documented.pilot, documented.paths, AS_OF)
    assert len(service.asked) == 2 + 6  # two to see that they still hold, and those that were missing
    assert_as_expected(documented, expected)
    assert not pages.exists()
