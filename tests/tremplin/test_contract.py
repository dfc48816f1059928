"""The contract: what it says of the pilot, and every contradiction that it refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.tremplin.conftest import ROOT, Edit
from tremplin import strict_yaml
from tremplin.contract import Contract, Role, contract_hash, load_contract
from tremplin.errors import ConfigurationError

CONTRACT = "contract.yaml"
ENUM = "        enum: [{value: EWR}, {value: JFK}, {value: LGA}]\n"
MILES = "        logicalTypeOptions: {minimum: 10, maximum: 6000}\n"
CODE = '        logicalTypeOptions: {pattern: "^[A-Z]{3}$"}\n'
DESK10 = "        logicalTypeOptions: {maxLength: 10}\n"
DESK = "        tags: [subject]\n        required: true\n        classification: "
SITE = "        tags: [site, feature]\n"
TARGET = "        tags: [target]\n"
CARRIER = "code of the carrier\n        tags: [feature]\n"
AGE = (
    "in the register\n        tags: [feature]\n        classification: public\n"
    "        logicalTypeOptions: {minimum: 0, maximum: 70}\n"
    "        customProperties: [{property: unit, value: year}]\n"
)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(ROOT / "pilots" / "flights" / CONTRACT)


def refusal(root: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_contract(root / "pilots" / "flights" / CONTRACT)
    return str(caught.value)


def test_every_column_has_its_part(contract: Contract) -> None:
    assert (contract.key, contract.time, contract.site) == ("flight_id", "scheduled_departure", "origin")
    assert (contract.subject, contract.target, contract.label_time) == ("desk", "late", "late_known_at")
    assert len(contract.columns) == 24
    assert len(contract.features) == 19
    assert {c.name for c in contract.columns} - {c.name for c in contract.request_columns} == {
        "late",
        "late_known_at",
    }
    assert [c.name for c in contract.with_role(Role.SITE)] == ["origin"]


def test_a_column_tells_its_unit_categories_and_kind(contract: Contract) -> None:
    distance, origin = contract.column("distance"), contract.column("origin")
    assert (distance.unit, distance.numeric, distance.purpose, distance.categories) == (
        "mile",
        True,
        None,
        None,
    )
    assert (origin.unit, origin.numeric, origin.categories) == (None, False, ["EWR", "JFK", "LGA"])
    assert contract.column("late").numeric
    with pytest.raises(KeyError, match="tailnum"):
        contract.column("tailnum")


def test_it_does_not_change_after_loading(contract: Contract) -> None:
    with pytest.raises(ValueError, match="frozen"):
        contract.version = "2"  # type: ignore[misc]  # the refusal is what is tested


def test_a_target_may_be_called_label(root: Path, edit: Edit) -> None:
    edit(CONTRACT, "- name: late\n", "- name: label\n")
    assert load_contract(root / "pilots" / "flights" / CONTRACT).target == "label"


def test_site_and_subject_are_optional(root: Path, edit: Edit) -> None:
    edit(CONTRACT, SITE, "        tags: [feature]\n")
    edit(CONTRACT, "        tags: [subject]\n", "")
    found = load_contract(root / "pilots" / "flights" / CONTRACT)
    assert found.site is None
    assert found.subject is None


def test_a_protected_column_is_held_apart_unless_it_is_a_feature(root: Path, edit: Edit) -> None:
    edit(CONTRACT, CARRIER, CARRIER.replace("feature", "feature, protected"))
    edit(
        CONTRACT,
        AGE,
        AGE.replace("feature", "protected").replace("year}", "year}, {property: bands, value: '5, 12.5'}"),
    )
    found = load_contract(root / "pilots" / "flights" / CONTRACT)
    assert [column.name for column in found.protected] == ["carrier", "plane_age"]
    assert [column.name for column in found.held_apart] == ["plane_age"]
    assert found.column("plane_age").bands == [5, 12.5]
    assert "plane_age" not in {
        c.name for c in [*found.training_columns, *found.request_columns, *found.features]
    }
    assert "carrier" in {c.name for c in found.request_columns}


def test_special_category_data_may_be_held_for_fairness(root: Path, edit: Edit) -> None:
    special = "special\n        customProperties: [{property: purpose, value: Audit of fairness}]"
    edit(CONTRACT, DESK + "internal", DESK.replace("subject", "protected") + special)
    column = load_contract(root / "pilots" / "flights" / CONTRACT).column("desk")
    assert column.held_apart
    assert column.purpose == "Audit of fairness"


def test_the_hash_is_that_of_the_bytes(root: Path, edit: Edit) -> None:
    path = root / "pilots" / "flights" / CONTRACT
    before = contract_hash(path)
    assert before == hashlib.sha256(path.read_bytes()).hexdigest()
    edit(CONTRACT, "version: 1.0.0", "version: 1.0.1")
    assert contract_hash(path) != before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: DataContract", "kind: Contract", "got 'Contract'"),
        ("- name: carrier\n", "- name: Carrier Code\n", "got 'Carrier Code'"),
        ("- name: carrier\n", "- name: dest\n", "described twice: dest"),
        ("- name: temp\n", "- name: label\n", "ONNX calls an output of the model `label`"),
        ("- name: temp\n", "- name: probabilities\n", "ONNX calls an output of the model `probabilities`"),
        ("        tags: [key]\n", "", "exactly one column must have the tag `key`; found none"),
        (TARGET, "        tags: [target, key]\n", "exactly one column must have the tag `key`; found ['flight_id', 'late']"),
        (TARGET, "        tags: [target, feature]\n", "the target cannot be a feature"),
        (TARGET, "        tags: [target, site]\n", "at most one column may have the tag `site`"),
        (TARGET, "        tags: [goal]\n", "got 'goal'"),
        (MILES, "        logicalTypeOptions: {minimum: 7, maximum: 6}\n",
         "logicalTypeOptions.maximum`: minimum 7 is above maximum 6"),
        (MILES, "        logicalTypeOptions: {min: 10}\n", "is not a known key"),
        (CODE, CODE.replace("[A-Z]{3}", "[A-Z"), "no regular expression"),
        (CODE, CODE.replace("[A-Z]{3}", "(?=a)"), "the server cannot match pattern '^(?=a)$': look-around"),
        (CODE, CODE.replace("[A-Z]{3}", "(a)\\\\1"), "backreferences are not supported. Write it without"),
        (CODE, CODE.replace("[A-Z]{3}", "a\\\\Z"), "the server cannot match pattern '^a\\\\Z$': unrecognized escape"),
        (DESK10, "        logicalTypeOptions: {minLength: 11, maxLength: 10}\n", "minLength 11 is above maxLength 10"),
        (ENUM, "        enum: []\n", "no value is listed"),
        (ENUM, ENUM + "        logicalTypeOptions: {pattern: 1}\n", "logicalTypeOptions.pattern"),
        (DESK + "internal", DESK + "personal", "column desk is personal and has no customProperty `purpose`"),
        ("        examples: [EWR]\n", "        examples: []\n", "examples"),
        ("property: unit, value: mile}", "property: colour, value: mile}", "got 'colour'"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_by_name(root: Path, edit: Edit, old: str, new: str, said: str) -> None:
    edit(CONTRACT, old, new)
    assert said in refusal(root)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("scheduled_departure", ("Type: timestamp", "Type: string"), "the column with the tag `time` must be a timestamp"),
        ("late_known_at", ("logicalType: timestamp", "logicalType: number"), "the tag `label_time` must be a timestamp"),
        ("scheduled_departure", ("tags: [time]", "tags: [time, feature]"), "a timestamp cannot be a feature"),
        ("distance", ("        tags", "        enum: [{value: a}]\n        tags"), "`enum` is for strings, not number"),
        ("dest", ("public", "special\n        customProperties: [{property: purpose, value: x}]"),
         "column dest is special-category data and cannot be a feature: tag it `protected` alone"),
        ("desk", ("internal", "special\n        customProperties: [{property: purpose, value: x}]"),
         "column desk is special-category data and cannot be a subject"),
        ("dest", ("[feature]\n        required: true\n        classification: public", "[]\n        classification: special"),
         "column dest is special-category data, which may be held for fairness alone: tag it `protected`"),
        ("late", ("tags: [target]", "tags: [target, protected]"), "the target cannot be protected"),
        ("flight_id", ("tags: [key]", "tags: [key, protected]"), "the key cannot be protected"),
        ("scheduled_departure", ("tags: [time]", "tags: [protected]"), "a timestamp cannot be protected"),
        ("distance", ("tags: [feature]", "tags: [feature, protected]"),
         "column distance is a number that fairness is measured by, and has no customProperty `bands`"),
        ("distance", ("property: unit, value: mile}", "property: bands, value: '500, 100'}"), "numbers that grow"),
        ("distance", ("property: unit, value: mile}", "property: bands, value: some}"), "numbers that grow"),
        ("dest", ("tags: [feature]", "tags: [feature]\n        customProperties: [{property: bands, value: '1'}]"),
         "column dest has `bands` and is no number"),
    ],
)  # fmt: skip
def test_a_fault_of_one_column_has_its_line(
    root: Path, name: str, change: tuple[str, str], said: str
) -> None:
    path = root / "pilots" / "flights" / CONTRACT
    head, mark, tail = path.read_text("utf-8").partition(f"      - name: {name}\n")
    assert mark
    path.write_text(head + mark + tail.replace(*change, 1), "utf-8")
    assert said in refusal(root)


# The examples of a column, examples that do not fit it, and what is said of each.
MISFITS = [
    ("[1400.0]", "[9, 6001]", ["greater than or equal to 10; got 9", "less than or equal to 6000; got 6001"]),
    ("[1400.0]", "['1400', true, .nan, null]", ["got '1400'", "got True", "got nan", "got None"]),
    ("[1]", "[1.5, 7]", ["got 1.5", "got 7"]),
    ("[EWR]", "[CDG]", ["Input should be 'EWR', 'JFK' or 'LGA'; got 'CDG'"]),
    ("[UA, B6]", "[UA, UAL, 7]", ["at most 2 characters; got 'UAL'", "valid string; got 7"]),
    ("[IAH]", "[iah]", ["should match pattern '^[A-Z]{3}$'; got 'iah'"]),
    ("[true]", "[1]", ["valid boolean; got 1"]),
    ('["2013-01-01T10:15:00Z"]', "['2013-01-01T10:15:00', 2013-01-01]", ["timezone", "got '2013-01-01'"]),
    ("[UA1545-EWR-20130101T0515]", f"[{'x' * 41}]", ["at most 40 characters"]),
]


@pytest.mark.parametrize(("old", "new", "said"), MISFITS)
def test_every_example_that_does_not_fit_its_column_is_a_fault_with_its_line(
    root: Path, edit: Edit, old: str, new: str, said: list[str]
) -> None:
    line = edit(CONTRACT, f"        examples: {old}\n", f"        examples: {new}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_contract(root / "pilots" / "flights" / CONTRACT)
    assert {fault.line for fault in caught.value.faults} == {line}
    assert len(caught.value.faults) == len(said)
    for fault, part in zip(caught.value.faults, said, strict=True):
        assert part in fault.message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[149.0]", "[149, null]"),  # a column that may be missing
        ('["2013-01-01T10:15:00Z"]', "[2013-01-01T10:15:00Z, '2013-01-01T12:15:00+02:00']"),
        ("[1400.0]", "[10, 6000]"),
    ],
)
def test_examples_that_fit_are_accepted_as_yaml_reads_them(
    root: Path, edit: Edit, old: str, new: str
) -> None:
    edit(CONTRACT, f"        examples: {old}\n", f"        examples: {new}\n")
    assert load_contract(root / "pilots" / "flights" / CONTRACT)


def test_a_fault_hides_no_other_of_its_column_or_of_the_contract(root: Path, edit: Edit) -> None:
    lines = {
        edit(CONTRACT, "kind: DataContract", "kind: Table"),
        edit(CONTRACT, "        examples: [EWR]\n", "        examples: [CDG]\n        sample: 1\n"),
        edit(CONTRACT, CODE, CODE.replace("[A-Z]", "(?!A)[A-Z]")),
        edit(CONTRACT, MILES, MILES.replace("10", "7000") + "        speed: 3\n"),
    }
    with pytest.raises(ConfigurationError) as caught:
        load_contract(root / "pilots" / "flights" / CONTRACT)
    assert lines <= {fault.line for fault in caught.value.faults}
    assert len(caught.value.faults) == 6


def test_all_roles_that_are_wrong_are_named_at_once(root: Path, edit: Edit) -> None:
    edit(CONTRACT, "        tags: [key]\n", "")
    edit(CONTRACT, TARGET, "        tags: [site]\n")
    edit(CONTRACT, "- name: carrier\n", "- name: dest\n")
    found = refusal(root)
    for said in (
        "tag `key`; found none",
        "tag `target`; found none",
        "described twice: dest",
        "tag `site`; found",
    ):
        assert said in found


def test_a_model_without_features_is_refused(root: Path, edit: Edit) -> None:
    edit(CONTRACT, SITE, "        tags: [site]\n")
    edit(CONTRACT, "        tags: [feature]\n", "")
    assert "no column has the tag `feature`" in refusal(root)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "pilots").glob("*/contract.yaml")), ids=str
)
def test_every_pilots_contract_is_a_document_of_the_open_data_contract_standard(path: Path) -> None:
    from open_data_contract_standard.model import OpenDataContractStandard

    standard = OpenDataContractStandard.from_file(str(path))
    ours = load_contract(path)
    assert standard.schema_ is not None
    assert [column.name for column in standard.schema_[0].properties or []] == [c.name for c in ours.columns]


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "pilots").glob("*/contract.yaml")), ids=str
)
def test_every_pilots_contract_keeps_the_schema_of_the_standard(path: Path) -> None:
    import jsonschema
    import open_data_contract_standard as standard

    schema = json.loads((Path(standard.__file__).parent / "schema.json").read_text("utf-8"))
    content, _ = strict_yaml.read(path)
    assert list(jsonschema.validators.validator_for(schema)(schema).iter_errors(content)) == []


RULE = "        quality:\n          - metric: nullValues\n            mustBeLessThan: 10\n            unit: percent\n"
SHARES = "            value: {EWR: 0.359, JFK: 0.330, LGA: 0.311}\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (RULE, RULE.replace("mustBeLessThan: 10", "mustBeLessThan: 101"), "less than or equal to 100"),
        (RULE, RULE.replace("            mustBeLessThan: 10\n", ""), "write one of `mustBeLessThan` and `mustBeBetween`"),
        (RULE, RULE.replace("mustBeLessThan: 10", "mustBeBetween: [10, 5]"), "must grow"),
        (RULE, RULE.replace("nullValues", "rowCount"), "got 'rowCount'"),
        (RULE, RULE.replace("percent", "rows"), "got 'rows'"),
        (SHARES, SHARES.replace("0.359", "0.5"), "add up to 1.141, not to 1"),
        (SHARES, SHARES.replace("LGA", "BOS"), "origin has no group BOS: its `population` names EWR, JFK, LGA"),
        (SHARES, "            value: a third each\n", "`population` is the share of each group"),
        ("description: All 336,776", "# All 336,776", "declares a `population` without its source"),
        ("check: outliers", "check: oddities", "oddities"),
        ("engine: tremplin", "engine: soda", "got 'soda'"),
    ],
)  # fmt: skip
def test_rules_of_quality_and_populations_that_mean_nothing_are_refused(
    root: Path, old: str, new: str, said: str
) -> None:
    path = root / "pilots" / "flights" / CONTRACT
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    assert said in refusal(root)


def test_a_rule_is_there_once(root: Path, edit: Edit) -> None:
    edit(CONTRACT, "check: representativeness, mustBeLessThan: 0.1", "check: outliers, mustBeLessThan: 3")
    assert "there are two rules of outliers" in refusal(root)
