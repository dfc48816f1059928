"""A pilot's folder: all its faults at once, with file and line; its code loaded by path."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tremplin.conftest import ROOT, Edit
from tremplin.errors import ConfigurationError
from tremplin.pilot import list_pilots, load_pilot, undecided


def refusal(root: Path, name: str = "flights") -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_pilot(name, root)
    return caught.value


def test_the_default_pilot_loads_and_its_code_answers() -> None:
    pilot = load_pilot("flights", ROOT)
    assert "flights" in list_pilots(ROOT)
    assert pilot.contract_hash
    rows = pilot.source.fetch(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 1, 1, 12, tzinfo=UTC))
    assert list(rows) == [column.name for column in pilot.contract.columns]
    assert hasattr(pilot.features.transformer(), "fit")
    assert hasattr(pilot.model.baseline(), "fit")
    assert pilot.source is pilot.source


def test_an_unknown_pilot_names_the_known_ones(root: Path) -> None:
    assert "there is no pilot 'flihgts' here; known: flights" in str(refusal(root, "flihgts"))
    assert "known: none" in str(refusal(root / "pilots"))


def test_faults_of_both_files_are_named_at_once_with_their_lines(root: Path, edit: Edit) -> None:
    edit("pilot.yaml", "  freshness_days: 7\n", "")
    seed = edit("pilot.yaml", "seed: 20130101", "seed: soon")
    kind = edit("contract.yaml", "kind: DataContract", "kind: Data")
    error = refusal(root)
    found = {(fault.file.name, fault.line) for fault in error.faults}
    assert {("pilot.yaml", seed), ("contract.yaml", kind)} <= found
    assert "3 faults to mend" in str(error)
    assert f"pilot.yaml:{seed}: `model.seed`" in str(error)
    assert "got 'soon'" in str(error)
    assert "`data.freshness_days` is missing" in str(error)


def test_a_missing_file_is_named(root: Path) -> None:
    (root / "pilots" / "flights" / "contract.yaml").unlink()
    assert "contract.yaml: the file is missing" in str(refusal(root))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "evaluation_days: 30",
            "evaluation_days: 190",
            "evaluation_days takes more than half of window_days",
        ),
        ("waves: [0.15, 0.50, 1.0]", "waves: [0.5, 0.15, 1.0]", "waves must grow and end at 1"),
        ("waves: [0.15, 0.50, 1.0]", "waves: [0.15, 0.5]", "waves must grow and end at 1"),
        ("worse_windows: 2", "worse_windows: 4", "worse_windows is more than of_last"),
        ("confidence: 0.95", "confidence: 1.5", "got 1.5"),
        ("drift_sample: 20000", "drift_sample: 10", "got 10"),
        ("folds: 3", "folds: 1", "got 1"),
        ("timezone: America/New_York", "timezone: Mars/Base", "'Mars/Base' is not one of the IANA database"),
        ("calibration_ratio: [0.8, 1.25]", "calibration_ratio: [1.25, 0.8]", "must hold 1 between its ends"),
        ("champion_margin: 0.001", "champion_margin: .nan", "`gate.champion_margin`"),
        ("baseline_margin: 0.02", "baseline_margin: -5", "`gate.baseline_margin`"),
        ("window_days: 365", "window_days: 999999999", "`data.window_days`"),
        ("window: month", "window: fortnight", "got 'fortnight'"),
        ("minimum_rows: 200 ", "minimum_rows: 0 ", "`gate.coverage.minimum_rows`"),
        ("monitoring:\n", "monitoring:\n  speed: 3\n", "`monitoring.speed` is not a known key"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(root: Path, edit: Edit, old: str, new: str, said: str) -> None:
    edit("pilot.yaml", old, new)
    assert said in str(refusal(root))


PERSONAL = """tags: [subject]
        required: true
        classification: personal
        customProperties: [{{property: purpose, value: {}}}]
"""
DESK = "tags: [subject]\n        required: true\n        classification: internal\n"


def test_the_charter_and_the_contract_may_not_contradict_each_other(root: Path, edit: Edit) -> None:
    edit("contract.yaml", DESK, PERSONAL.format("Marketing"))
    error = str(refusal(root))
    assert "column desk is personal, and the charter says there is no personal data" in error
    assert "column desk: its purpose 'Marketing' is not among the charter's gdpr.purposes" in error


def test_a_personal_column_with_a_declared_purpose_is_accepted(root: Path, edit: Edit) -> None:
    edit("contract.yaml", DESK, PERSONAL.format("Planning of ground operations"))
    edit("pilot.yaml", "personal_data: false", "personal_data: true")
    assert load_pilot("flights", root).contract.column("desk").purpose == "Planning of ground operations"


def test_code_that_is_missing_or_broken_names_file_and_line(root: Path) -> None:
    folder = root / "pilots" / "flights"
    (folder / "source.py").unlink()
    (folder / "features.py").write_text("def transform():\n    return None\n")
    (folder / "model.py").write_text("x = 1\ny = x / 0\n")
    pilot = load_pilot("flights", root)
    with pytest.raises(ConfigurationError, match=r"source\.py: the file is missing"):
        _ = pilot.source
    with pytest.raises(ConfigurationError, match=r"features\.py: it must define transformer\(\)"):
        _ = pilot.features
    with pytest.raises(ConfigurationError, match=r"model\.py:2: ZeroDivisionError"):
        _ = pilot.model
    (folder / "model.py").write_text("x = 1\ndef baseline(:\n")
    with pytest.raises(ConfigurationError, match=r"model\.py:2: SyntaxError"):
        _ = load_pilot("flights", root).model


def test_code_that_ends_the_program_is_a_fault_of_the_file(root: Path) -> None:
    (root / "pilots" / "flights" / "features.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(ConfigurationError, match=r"features\.py:2: SystemExit: 3"):
        _ = load_pilot("flights", root).features


def questions(name: str, folder: Path, *, leave_out: set[str], risk_class: str | None = None) -> str:
    """What a copy of a pilot leaves undecided whose contract lacks these rules of the table, or limits of columns."""
    shutil.copytree(ROOT / "pilots" / name, folder / "pilots" / name)
    path, charter = (folder / "pilots" / name / file for file in ("contract.yaml", "pilot.yaml"))
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    table = content["schema"][0]
    table["quality"] = [rule for rule in table["quality"] if rule["implementation"]["check"] not in leave_out]
    for column in table["properties"]:
        if "nullValues" in leave_out:
            column.pop("quality", None)
        if "population" in leave_out:
            kept = [one for one in column.get("customProperties", []) if one["property"] != "population"]
            column["customProperties"] = kept
    path.write_text(yaml.safe_dump(content), "utf-8")
    if risk_class:
        said = yaml.safe_load(charter.read_text("utf-8"))
        said["charter"]["ai_act"]["risk_class"] = risk_class
        charter.write_text(yaml.safe_dump(said), "utf-8")
    return "\n".join(str(place) for place in undecided(load_pilot(name, folder)))


RULES = {"outliers", "representativeness", "subPopulations"}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_high_risk_use_leaves_no_rule_of_the_table_out(rule: str, tmp_path: Path) -> None:
    found = questions("support", tmp_path, leave_out={rule})
    assert f"no rule in the table's `quality` has the `check: {rule}`" in found
    assert found.count("undecided") == 1
    assert "the use is high-risk" in found


def test_a_high_risk_use_says_how_empty_a_column_may_be(tmp_path: Path) -> None:
    found = questions("support", tmp_path, leave_out={"nullValues"})
    assert "column partner_age may be empty without a `nullValues`" in found
    assert found.count("undecided") == 1


def test_a_declared_population_asks_for_the_rules_that_compare_with_it(tmp_path: Path) -> None:
    found = questions("flights", tmp_path, leave_out=RULES)
    assert "a `population` is declared, and no rule" in found
    assert found.count("undecided") == 2
    assert "outliers" not in found


def test_of_a_use_of_minimal_risk_without_a_population_nothing_is_asked(tmp_path: Path) -> None:
    assert questions("flights", tmp_path, leave_out={*RULES, "nullValues", "population"}) == ""


def test_another_use_that_becomes_high_risk_must_decide_it(tmp_path: Path) -> None:
    found = questions("flights", tmp_path, leave_out=RULES, risk_class="high")
    assert found.count("no rule in the table's `quality`") == 3


@pytest.mark.parametrize(
    ("risk_class", "personal", "because", "open_question"),
    [
        ("high", True, None, True),
        ("high", True, "Nobody may be asked to which group they belong", False),
        ("high", False, None, False),
        ("limited", True, None, False),
    ],
)
def test_a_high_risk_use_of_personal_data_says_by_which_groups_it_must_be_fair(
    risk_class: str, personal: bool, because: str | None, open_question: bool, tmp_path: Path
) -> None:
    questions("flights", tmp_path, leave_out=set(), risk_class=risk_class)
    path = tmp_path / "pilots" / "flights" / "pilot.yaml"
    said = yaml.safe_load(path.read_text("utf-8"))
    said["charter"]["gdpr"]["personal_data"] = personal
    said["charter"] |= {"unprotected_because": because} if because else {}
    path.write_text(yaml.safe_dump(said), "utf-8")
    found = [str(place) for place in undecided(load_pilot("flights", tmp_path))]
    assert any("no column of the contract is `protected`" in place for place in found) is open_question


def test_a_reason_for_no_protected_column_beside_one_is_a_contradiction(tmp_path: Path) -> None:
    questions("support", tmp_path, leave_out=set())
    path = tmp_path / "pilots" / "support" / "pilot.yaml"
    said = yaml.safe_load(path.read_text("utf-8"))
    said["charter"]["unprotected_because"] = "Nobody may be asked"
    path.write_text(yaml.safe_dump(said), "utf-8")
    with pytest.raises(ConfigurationError, match=r"why no column is protected, and the contract marks age"):
        load_pilot("support", tmp_path)


@pytest.mark.parametrize("name", ["flights", "support"])
def test_the_pilots_leave_nothing_undecided(name: str, tmp_path: Path) -> None:
    assert questions(name, tmp_path, leave_out=set()) == ""
