"""The demo's world: which demo goes on in it, and which begins anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tremplin_cli import CHECKOUT
from tremplin.commands.demo_world import begins_anew, complete, world_of
from tremplin.workspace import make_workspace


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A world in which the demo of flights was told to its end."""
    root = make_workspace(CHECKOUT, tmp_path / "demo")
    (root / ".tremplin").mkdir()
    complete(root / ".tremplin", "flights").touch()
    return root


def test_a_demo_that_was_told_to_its_end_begins_anew(world: Path) -> None:
    assert begins_anew(CHECKOUT, world, "flights")


def test_another_pilot_joins_the_world_that_is_there(world: Path) -> None:
    assert not begins_anew(CHECKOUT, world, "support")


def test_an_interrupted_demo_goes_on_after_that_of_another_pilot(world: Path) -> None:
    complete(world / ".tremplin", "flights").rename(complete(world / ".tremplin", "support"))
    assert not begins_anew(CHECKOUT, world, "flights")


def test_other_code_begins_anew_for_every_pilot(world: Path) -> None:
    with (world / "pilots" / "flights" / "model.py").open("a") as file:
        file.write("# other\n")
    assert begins_anew(CHECKOUT, world, "support")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which the demo of flights was told to its end."""
    root = make_workspace(CHECKOUT, tmp_path / "checkout")
    shared = make_workspace(root, root / ".tremplin" / "demo")
    (shared / "data" / "flights").mkdir(parents=True)
    (shared / ".tremplin").mkdir()
    complete(shared / ".tremplin", "flights").touch()
    return root


def test_a_demo_that_begins_anew_alone_does_so_in_the_shared_world(checkout: Path) -> None:
    assert world_of(checkout, "flights") == checkout / ".tremplin" / "demo"


def test_a_demo_that_begins_anew_leaves_what_other_pilots_have(checkout: Path) -> None:
    shared = checkout / ".tremplin" / "demo"
    assert world_of(checkout, "support") == shared, "it joins"
    (shared / "data" / "support").mkdir()
    assert world_of(checkout, "flights") == checkout / ".tremplin" / "demo-flights"
    assert world_of(checkout, "support") == shared, "it was not told to its end, and goes on"
    with (checkout / "pilots" / "flights" / "model.py").open("a") as file:
        file.write("# other\n")
    assert world_of(checkout, "support") == checkout / ".tremplin" / "demo-support", "nor for other code"
