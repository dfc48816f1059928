"""The charter: a use that may be built, people who answer for it, a threshold that follows from the costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.identity import CONTACT
from tests.tremplin.conftest import Edit
from tremplin.charter import E_MAIL
from tremplin.errors import ConfigurationError
from tremplin.pilot import load_pilot


def test_people_and_what_they_may(root: Path) -> None:
    charter = load_pilot("flights", root).charter
    owner = charter.person(charter.owner)
    assert owner is not None
    assert "approve" in owner.may
    assert charter.person("Nobody") is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "risk_class: minimal",
            "risk_class: prohibited",
            "a prohibited use (AI Act, article 5) cannot be built or served",
        ),
        ("risk_class: minimal", "risk_class: unknown", "got 'unknown'"),
        ("owner: Camille Laurent", "owner: Somebody Else", "the owner 'Somebody Else' is not among `people`"),
        ("[approve, halt]", "[halt]", "nobody in `people` may `approve`"),
        ("[author]", "[halt]", "nobody in `people` may `author`"),
        ("name: Noor Haddad", "name: Ines Moreau", "named twice in `people`: Ines Moreau"),
        ("[author]", "[everything]", "got 'everything'"),
        (
            "decision_threshold: 0.33",
            "decision_threshold: 0.5",
            "a false alarm at 60 and a miss at 120 make 0.33 the cheapest threshold",
        ),
        ("decision_threshold: 0.33", "decision_threshold: 1.2", "got 1.2"),
        ("false_alarm: 60", "false_alarm: -60", "got -60"),
        ("retention_days: 730", "retention_days: 0", "got 0"),
        ("purposes: [Planning of ground operations]", "purposes: []", "charter.gdpr.purposes"),
        ("  title: Late arrivals from New York\n", "", "`charter.title` is missing"),
    ],
)
def test_what_may_not_be_is_refused(root: Path, edit: Edit, old: str, new: str, said: str) -> None:
    edit("pilot.yaml", old, new)
    with pytest.raises(ConfigurationError) as caught:
        load_pilot("flights", root)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "contact",
    [
        "nobody",
        "@ops",
        "noor.haddad@",
        "noor@desk",
        "noor haddad@airline.example",
        "12345",
        "+33 call me",
        "www.airline.example",
    ],
)
def test_a_contact_that_reaches_nobody_is_refused(root: Path, edit: Edit, contact: str) -> None:
    edit("pilot.yaml", "contact: noor.haddad@airline.example", f"contact: '{contact}'")
    with pytest.raises(ConfigurationError, match="is neither an e-mail address, nor a telephone number"):
        load_pilot("flights", root)


@pytest.mark.parametrize(
    "contact",
    [
        "n.haddad+ml@ops.airline.example",
        "+33 1 23 45 67 89",
        "(212) 555-0187",
        "https://intranet/teams/ml",
        "https://a.example:8443",
    ],
)
def test_a_contact_that_somebody_can_use_is_accepted(root: Path, edit: Edit, contact: str) -> None:
    edit("pilot.yaml", "contact: noor.haddad@airline.example", f"contact: '{contact}'")
    person = load_pilot("flights", root).charter.person("Noor Haddad")
    assert person is not None
    assert person.contact == contact


@pytest.mark.parametrize("contact", ["+33 1 23 45 67 89", "https://intranet/teams/ops", "(212) 555-0187"])
def test_who_signs_is_reached_where_a_key_can_be_enrolled(root: Path, edit: Edit, contact: str) -> None:
    line = edit("pilot.yaml", "contact: ines.moreau@airline.example", f"contact: '{contact}'")
    with pytest.raises(ConfigurationError) as caught:
        load_pilot("flights", root)
    assert "Ines Moreau may approve and halt, which is signed with the key of an e-mail address" in str(
        caught.value
    )
    assert f"`contact` is {contact!r}" in str(caught.value)
    assert caught.value.faults[0].line is not None
    assert caught.value.faults[0].line < line


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("camille.laurent@airline.example", "noor.haddad@airline.example", "Camille Laurent and Noor Haddad"),
        ("ines.moreau@airline.example", "Noor.Haddad@airline.EXAMPLE", "Noor Haddad and Ines Moreau"),
        ("ines.moreau@airline.example", "camille.laurent@airline.example", "Camille Laurent and Ines Moreau"),
    ],
)
def test_an_address_is_one_persons(root: Path, edit: Edit, old: str, new: str, names: str) -> None:
    edit("pilot.yaml", old, new)
    with pytest.raises(ConfigurationError, match=f"{names} have one `contact`, .* it says whose key it is"):
        load_pilot("flights", root)


def test_authors_may_share_a_telephone(root: Path, edit: Edit) -> None:
    edit("pilot.yaml", "contact: noor.haddad@airline.example", "contact: +33 1 23 45 67 89")
    again = "    - {name: Sam Ito, role: ML engineer, contact: +33 1 23 45 67 89, may: [author]}\n"
    edit("pilot.yaml", "    - {name: Ines Moreau", again + "    - {name: Ines Moreau")
    assert len(load_pilot("flights", root).charter.people) == 4


@pytest.mark.parametrize(
    "local", ["n.haddad+ml", "o'brien", "josé", "a_b-c", "x%y", "a&b=c{d}", "#n", "n!h", "n*", "n?", 'n"']
)
def test_an_address_of_the_charter_is_one_that_can_be_enrolled(local: str) -> None:
    address = f"{local}@town.example"
    assert not E_MAIL.fullmatch(address) or CONTACT.fullmatch(address)


def test_a_threshold_near_the_cheapest_is_accepted(root: Path, edit: Edit) -> None:
    edit("pilot.yaml", "decision_threshold: 0.33", "decision_threshold: 0.37")
    assert load_pilot("flights", root).charter.decision_threshold == 0.37


def test_somebody_other_than_an_author_must_be_able_to_approve(root: Path, edit: Edit) -> None:
    path = root / "pilots" / "flights" / "pilot.yaml"
    path.write_text(path.read_text("utf-8").replace("[approve, halt]", "[author, approve]"), "utf-8")
    with pytest.raises(ConfigurationError, match="everybody who may approve is also an author"):
        load_pilot("flights", root)


def test_a_fault_of_the_charter_hides_no_other(root: Path, edit: Edit) -> None:
    edit("pilot.yaml", "  title: Late arrivals from New York\n", "")
    lines = {
        edit("pilot.yaml", "decision_threshold: 0.33", "decision_threshold: 0.5"),
        edit("pilot.yaml", "retention_days: 730", "retention_days: 0"),
        edit("pilot.yaml", "risk_class: minimal", "risk_class: prohibited"),
    }
    edit("pilot.yaml", "owner: Camille Laurent", "owner: Somebody Else")
    edit("pilot.yaml", "[approve, halt]", "[halt]")
    edit("pilot.yaml", "[author]", "[halt]")
    with pytest.raises(ConfigurationError) as caught:
        load_pilot("flights", root)
    assert lines <= {fault.line for fault in caught.value.faults}
    for said in (
        "contradicts the costs",
        "the owner 'Somebody Else'",
        "may `author`",
        "may `approve`",
        "`charter.title` is missing",
    ):
        assert said in str(caught.value)
    assert len(caught.value.faults) == 7


def test_without_costs_nothing_is_said_of_the_threshold(root: Path, edit: Edit) -> None:
    edit("pilot.yaml", "false_alarm: 60", "false_alarm: -60")
    edit("pilot.yaml", "decision_threshold: 0.33", "decision_threshold: 0.5")
    with pytest.raises(ConfigurationError, match="1 fault to mend"):
        load_pilot("flights", root)
