"""`tremplin new` on CSV in unusual dress: each value in its own column, each number what a person reads; or a refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.gate.checks.leakage import single_auc
from tests.tremplin.scaffolded import ROWS, World, jobs, world
from tremplin.errors import TremplinError
from tremplin.scaffolding.asked import Asked
from tremplin.scaffolding.pilot import Made, new_pilot

HEADER, *LINES = jobs().to_csv(index=False).splitlines()
NUMBERED = [f'"{number}",{line}' for number, line in enumerate(LINES, 1)]


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def made_of(here: World, content: str | bytes, **asked: object) -> Made:
    file = here.root / "table.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return new_pilot("fresh", file, here.root, Asked(**{"target": "late", **asked}), single_auc=single_auc)  # type: ignore[arg-type]


def text(*lines: str) -> str:
    return "\n".join(lines) + "\n"


UNEVEN = {
    "row names, as R writes them": (text(HEADER, *NUMBERED), "line 2 has 7 fields and the header 6.*row.names=FALSE"),
    "one row longer": (text(HEADER, *LINES[:50], LINES[50] + ",1", *LINES[51:]), "line 52 has 7 fields"),
    "a row cut short": (text(HEADER, *LINES, "O99999,2024-05-05"), "line 602 has 2 fields"),
    "a line end in a text": (text(HEADER, *LINES[:9], *LINES[9].replace("green", "gr\neen").replace("red", "r\ned").split("\n"),
                                  *LINES[10:]), "line 11 has 5 fields"),
    "every row short": (text("number," + HEADER, *LINES), "line 2 has 6 fields and the header 7"),
    "a footer": (text(HEADER, *LINES, "600 rows"), "line 602 has 1 fields"),
    "a title": (text("Orders, all of them", HEADER, *LINES), "line 2 has 6 fields and the header 2"),
    "after a text of two lines": (text(HEADER, LINES[0].replace("O00000", '"O\n0"'), *LINES[1:], "x,y"), "line 603 has 2"),
}  # fmt: skip


@pytest.mark.parametrize("how", UNEVEN)
def test_rows_that_do_not_have_the_fields_of_the_header_are_refused(here: World, how: str) -> None:
    content, said = UNEVEN[how]
    with pytest.raises(TremplinError, match=said):
        made_of(here, content)
    assert not (here.root / "pilots" / "fresh").exists()


EVEN: dict[str, str | bytes] = {
    "empty fields behind": text(HEADER, *(f"{line}," for line in LINES)),
    "empty fields behind some": text(HEADER, *(line + ",, " * (n > 50) for n, line in enumerate(LINES))),
    "a column without a name or values": text(HEADER + ",", *(f"{line}," for line in LINES)),
    "such a column, missing in the rows": text(HEADER + ",", *LINES),
    "row names with a header": text('"",' + HEADER, *NUMBERED),
    "blank lines and rows": text("", HEADER, "", *LINES, ",,,,,", "", " "),
    "quotes around all": jobs().to_csv(index=False, quoting=1),
    "spaces behind commas": text(HEADER, *(line.replace(",", ", ") for line in LINES)),
    "old newlines": text(HEADER, *LINES).replace("\n", "\r"),
    "newlines and mark of Windows": b"\xef\xbb\xbf" + text(HEADER, *LINES).replace("\n", "\r\n").encode(),
    "Unicode text of Excel": jobs().to_csv(index=False, sep="\t").encode("utf-16"),
    "tabs": jobs().to_csv(index=False, sep="\t"),
    "commas in a name": jobs().rename(columns={"weight": "weight, in t, at most, or so, by the clerk"})
    .to_csv(index=False, sep=";").replace("weight,", '"weight,').replace("clerk", 'clerk"'),
}  # fmt: skip


@pytest.mark.parametrize("how", EVEN)
def test_what_stands_in_its_column_is_read_and_read_again_when_the_rows_are_fetched(
    here: World, how: str
) -> None:
    made_of(here, EVEN[how])
    rows, table = here.rows(), jobs()
    assert here.pilot().contract.key == "order"
    assert rows["order"].tolist() == table["order"].tolist()
    weight = next(name for name in map(str, rows) if name.startswith("weight"))
    assert rows[weight].tolist() == table["weight"].tolist()
    assert rows["late"].tolist() == (table["late"] == "yes").tolist()


def test_a_source_refuses_rows_that_grew_longer_than_their_header_since(here: World) -> None:
    table = jobs().assign(placed=jobs()["placed"].dt.strftime("%d/%m/%Y %H:%M"))
    made_of(here, table.to_csv(index=False, sep=";"))
    assert len(here.rows()) == ROWS
    header, *lines = table.to_csv(index=False, sep=";").splitlines()
    (here.root / "table.csv").write_text(text(header, *(f"1;{line}" for line in lines)))
    with pytest.raises(TremplinError, match="more fields than its header"):
        here.rows()


AMOUNTS = pd.Series(np.random.default_rng(1).integers(100, 2_000_000, ROWS) / 100).round(2)


def spelled(form: str, swap: tuple[str, str] = ("", "")) -> pd.Series:
    return pd.Series([format(value, form).translate(str.maketrans(*swap)) for value in AMOUNTS])


GERMAN = (",.", ".,")
WRITTEN: dict[str, tuple[pd.Series, str]] = {
    "thousands": (spelled(",.2f"), ","),
    "german": (spelled(",.2f", GERMAN), ";"),
    "french": (spelled(",.2f", (",.", "\u202f,")), ";"),
    "swiss": (spelled(",.2f", (",", "'")), ";"),
    "dollars": ("$" + spelled(",.2f"), ","),
    "euros": (spelled(",.2f", GERMAN) + " €", ";"),
    "percent": (spelled(".2f") + "%", ","),
    "percent of France": (spelled(".2f", (".", ",")) + "\u00a0%", ";"),
    "exponents": (spelled(".10e"), ","),
    "signed": (spelled("+.2f"), ","),
}


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("target", ["late", "pay"])
def test_numbers_are_read_as_a_person_reads_them(here: World, how: str, target: str) -> None:
    values, separator = WRITTEN[how]
    gaps = values.where(values.index % 7 > 0) if target == "late" else values
    decimal = "," if values.str.contains(r",\d\d(?:\D|$)").any() else "."
    table = jobs().assign(pay=gaps)
    made_of(here, table.to_csv(index=False, sep=separator, decimal=decimal), target=target)
    pay = here.rows()["pay"].astype("float64")
    np.testing.assert_allclose(pay, AMOUNTS.where(gaps.notna()), rtol=1e-12)
    column = here.pilot().contract.column("pay")
    assert column.logicalType == "number"
    assert target in (column.name, "late")


def test_whole_numbers_with_thousands_stay_whole(here: World) -> None:
    whole = (AMOUNTS * 100).round().astype(int)
    made_of(here, jobs().assign(pay=whole.map("{:,}".format)).to_csv(index=False), target="pay")
    assert here.rows()["pay"].tolist() == whole.tolist()
    assert here.pilot().contract.column("pay").logicalType == "integer"


DOUBTFUL: dict[str, tuple[pd.Series, str]] = {
    "thousands or three digits behind a comma": (spelled(".0f").map(lambda v: f"5{v[:1]}1,{v:0>3.3}"), ","),
    "the other decimal sign": (spelled(".2f", (".", ",")), ";"),
    "a sign for what is missing": (spelled(".2f").where(AMOUNTS.index % 9 > 0, "?"), ","),
    "two units": (("$" + spelled(".2f")).where(AMOUNTS.index % 2 > 0, "€" + spelled(".2f")), ","),
    "percent in some": (spelled(".2f").where(AMOUNTS.index % 2 > 0, spelled(".2f") + "%"), ","),
    "dates of two forms": (jobs()["placed"].dt.strftime("%d/%m/%Y").where(AMOUNTS.index % 2 > 0, "2024-03-01"), ","),
    "beyond what a model holds": (spelled(".2f").str.split(".").str[0] + "1e77", ","),
}  # fmt: skip


@pytest.mark.parametrize("how", DOUBTFUL)
def test_what_may_be_meant_as_numbers_is_kept_as_text_and_said(here: World, how: str) -> None:
    values, separator = DOUBTFUL[how]
    made = made_of(here, jobs().assign(pay=values).to_csv(index=False, sep=separator))
    assert here.pilot().contract.column("pay").logicalType == "string"
    assert here.rows()["pay"].tolist() == values.tolist()
    assert any(line.startswith("pay: taken as text") for line in made.decided)
    (here.root / "dvc.yaml").write_text("vars:\n  - pilots: []\n")
    with pytest.raises(TremplinError, match=r"taken as text"):
        new_pilot("other", here.root / "table.csv", here.root, Asked("pay"), single_auc=single_auc)


CODES = {
    "leading zeros": [f"{n % 90:05d}" for n in range(ROWS)],
    "letters like exponents": [f"e{n % 9}" for n in range(ROWS)],
    "words": ["north", "south"] * (ROWS // 2),
    "groups of one length": [f"732 829 {n % 50 + 300}" for n in range(ROWS)],
    "versions": [f"1.{n % 9}.2" for n in range(ROWS)],
}


@pytest.mark.parametrize("what", CODES)
def test_codes_stay_text(here: World, what: str) -> None:
    made = made_of(here, jobs().assign(code=CODES[what]).to_csv(index=False))
    assert here.rows()["code"].tolist() == CODES[what]
    said = [line for line in made.decided if line.startswith("code:")]
    assert bool(said) == (what == "groups of one length")


@pytest.mark.parametrize("name", ["label", "Label", "probabilities", "amount", "AMOUNT"])
@pytest.mark.parametrize("column", ["weight", "late"])
def test_what_a_model_calls_its_outputs_is_called_otherwise(here: World, name: str, column: str) -> None:
    table = jobs().rename(columns={column: name})
    target = name if column == "late" else "late"
    made_of(here, table.to_csv(index=False), target=target)
    contract = here.pilot().contract
    assert f"c_{name.lower()}" in [found.name for found in contract.columns]
    if column == "late":
        assert here.rows()[contract.target].tolist() == (table[name] == "yes").tolist()


def test_a_name_means_the_column_that_is_called_so_in_the_file(here: World) -> None:
    table = jobs()
    table.insert(0, "Late", table["colour"])
    made_of(here, table.to_csv(index=False))
    contract = here.pilot().contract
    assert contract.column(contract.target).description.startswith("The answer: yes where late is yes")
    assert here.rows()[contract.target].tolist() == (table["late"] == "yes").tolist()
    assert here.rows()["late"].tolist() == table["colour"].tolist()


def test_a_name_that_heads_two_columns_is_refused_only_where_it_is_asked_for(here: World) -> None:
    header = HEADER.replace("colour", "kind")
    made_of(here, text(header, *LINES))
    assert (
        here.rows()[["kind", "kind_1"]].to_numpy().tolist() == jobs()[["kind", "colour"]].to_numpy().tolist()
    )
    (here.root / "dvc.yaml").write_text("vars:\n  - pilots: []\n")
    file = here.root / "table.csv"
    file.write_text(text(HEADER.replace("colour", "late"), *LINES))
    with pytest.raises(TremplinError, match="several columns 'late'"):
        new_pilot("other", file, here.root, Asked("late"), single_auc=single_auc)


def test_sentences_name_no_row(here: World) -> None:
    note = [f"talked with Mr Smith about case {number}" for number in range(ROWS)]
    day = jobs()["placed"].dt.strftime("%Y-%m-%d")
    table = jobs().drop(columns="order").assign(placed=day, note=note)
    made = made_of(here, table.to_csv(index=False))
    assert here.rows()[here.pilot().contract.key].tolist() == [f"row-{place}" for place in range(ROWS)]
    assert any("the row's place in the file" in line for line in made.decided)


def test_a_code_is_preferred_to_sentences_and_to_what_has_no_name(here: World) -> None:
    table = jobs().assign(note=[f"case {number}" for number in range(ROWS)])
    table.insert(0, "", range(1, ROWS + 1))
    made_of(here, table[["", "note", *jobs()]].to_csv(index=False))
    assert here.pilot().contract.key == "order"


@pytest.mark.parametrize("gaps", [False, True])
def test_what_counts_the_rows_is_no_feature_in_whatever_order_of_time(here: World, *, gaps: bool) -> None:
    table = jobs().sample(frac=1, random_state=3).reset_index(drop=True)
    made = made_of(here, (table.drop(index=[5, 70]) if gaps else table).to_csv())
    assert "unnamed_0" not in [entry.name for entry in made.entries if entry.is_feature]


def test_a_number_that_no_two_rows_share_may_be_a_feature(here: World) -> None:
    table = jobs().assign(size=np.random.default_rng(2).permutation(ROWS) * 3)
    made = made_of(here, table.to_csv(index=False))
    assert "size" in [entry.name for entry in made.entries if entry.is_feature]


@pytest.mark.parametrize("form", ["%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M", "%d %b %Y %H:%M:%S"])
def test_times_of_day_are_read_as_they_are_written(here: World, form: str) -> None:
    made_of(here, jobs().assign(placed=jobs()["placed"].dt.strftime(form)).to_csv(index=False))
    assert here.rows()["placed"].tolist() == jobs()["placed"].tolist()


def test_a_time_that_may_be_read_the_other_way_round_is_told(here: World) -> None:
    first = jobs()["placed"].dt.strftime("%m/01/%Y")
    assert any(
        "day and month" in line
        for line in made_of(here, jobs().assign(placed=first).to_csv(index=False)).decided
    )


def test_a_time_that_can_be_read_one_way_only_is_not_doubted(here: World) -> None:
    days = jobs()["placed"].dt.strftime("%m/%d/%Y")
    made = made_of(here, jobs().assign(placed=days).to_csv(index=False))
    assert not any("day and month" in line for line in made.decided)
    assert here.rows()["placed"].tolist() == jobs()["placed"].dt.floor("D").tolist()
