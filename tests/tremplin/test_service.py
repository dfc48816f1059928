"""The charter's section ``service``: what is read, what is refused, and what a release carries of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tremplin.conftest import Edit
from tremplin.errors import ConfigurationError
from tremplin.pilot import load_pilot
from tremplin.service import Service, ServiceSheet, sheet


def test_without_the_section_a_person_decides_and_nothing_goes_unlogged(root: Path) -> None:
    file = root / "pilots" / "flights" / "pilot.yaml"
    text = file.read_text("utf-8")
    start, end = text.index("service:\n"), text.index("demo:")
    file.write_text(text[:start] + text[end:], "utf-8")
    service = load_pilot("flights", root).file.service
    assert service == Service()
    assert (service.fallback.answer, service.review_band, service.out_of_range, service.unlogged) == (
        None, None, "warn", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("answer: null", "answer: 0.4", "is yes or no: write true, false, or null"),
        ("[0.30, 0.36]", "[0.36, 0.30]", "write the lower score first"),
        ("[0.30, 0.36]", "[0.30, 1.36]", "a score lies within 0 and 1"),
        ("out_of_range: warn", "out_of_range: ignore", "`service.out_of_range`"),
        ("unlogged: false", "unlogged: false\n  unlocked: true", "unlocked"),
    ],
)
def test_what_the_target_does_not_allow_is_refused(
    root: Path, edit: Edit, old: str, new: str, said: str
) -> None:
    edit("pilot.yaml", old, new)
    with pytest.raises(ConfigurationError) as caught:
        load_pilot("flights", root)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["flights", "support"])
def test_a_release_carries_what_a_server_needs_of_the_charter(name: str) -> None:
    from tests.results import ROOT

    pilot = load_pilot(name, ROOT)
    made = sheet(pilot.charter, pilot.file.service)
    assert ServiceSheet.model_validate_json(made.model_dump_json()) == made
    assert (made.system, made.owner) == (pilot.charter.title, pilot.charter.owner)
    assert made.fallback == pilot.file.service.fallback
    assert "@" in made.contact
