"""What is live follows the store; whatever is wrong with what the store says, the last good state stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from serving.live_watch import LiveWatch
from serving.metrics import Metrics
from tremplin.live import Live, change, current
from tremplin.settings import Settings
from tremplin.store import live, open_store


@pytest.fixture
def store(settings: Settings) -> Engine:
    return open_store(settings)


@pytest.fixture
def watch(settings: Settings) -> LiveWatch:
    return LiveWatch(settings, Metrics())


def go(store: Engine, **state: Any) -> None:
    change(store, "flights", Live(**state), by="test", reason="test")


def refusals(watch: LiveWatch) -> float:
    return watch.metrics.registry.get_sample_value("tremplin_live_refused_total") or 0.0


def test_nothing_is_live_until_somebody_approves(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    watch.poll()
    assert watch.state is None
    assert watch.not_ready == "no release is live for pilot flights: run tremplin approve"
    go(store, champion=release_factory(settings.releases).id)
    watch.poll()
    assert watch.not_ready is None


def test_waves_and_rollback_are_followed(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    first, second = (release_factory(settings.releases, threshold=threshold).id for threshold in (0.33, 0.4))
    go(store, champion=first)
    watch.poll()
    go(store, champion=first, challenger=second, share=0.15, rollout_key="k")
    watch.poll()
    assert watch.state is not None
    assert (watch.state.answering("champion").id, watch.state.answering("challenger").id) == (first, second)
    go(store, champion=second, previous=first)
    watch.poll()
    assert watch.state.champion.id == second
    assert set(watch.state.releases) == {first, second}  # the previous one stays at hand
    go(store, champion=first)
    watch.poll()
    assert set(watch.state.releases) == {first}
    assert refusals(watch) == 0


def test_a_row_that_cannot_be_served_leaves_the_last_good_one(
    release_factory: Any,
    settings: Settings,
    store: Engine,
    watch: LiveWatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    good, altered = (release_factory(settings.releases, threshold=threshold) for threshold in (0.33, 0.4))
    (altered.path / "model.onnx").write_bytes(b"something else")
    go(store, champion=good.id)
    watch.poll()
    for bad in ("0123456789abcdef", altered.id):
        go(store, champion=bad)
        caplog.clear()
        watch.poll()
        watch.poll()
        assert watch.not_ready is None
        assert watch.state is not None
        assert watch.state.champion.id == good.id
        assert (
            len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
        )  # not at every poll
    assert refusals(watch) == 4


def test_a_release_that_arrives_late_is_taken_up(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    release = release_factory(settings.releases)
    release.path.rename(settings.home / "on its way")
    go(store, champion=release.id)
    watch.poll()
    assert watch.not_ready is not None
    assert release.id in watch.not_ready
    (settings.home / "on its way").rename(release.path)
    watch.poll()
    assert watch.not_ready is None


def test_a_row_that_is_nonsense_leaves_the_last_good_one(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    go(store, champion=release_factory(settings.releases).id)
    watch.poll()
    known = watch.state
    with store.begin() as connection:
        connection.execute(sa.update(live).values(state={"champion": None, "colour": "blue"}))
    watch.poll()
    assert watch.state is known
    assert refusals(watch) == 1


def test_a_rollback_away_from_a_broken_release_goes_through(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    good, broken = (release_factory(settings.releases, threshold=threshold) for threshold in (0.33, 0.4))
    (broken.path / "profile.json").unlink()
    go(store, champion=good.id, challenger=broken.id, share=0.15, rollout_key="k")
    watch.poll()
    assert watch.state is None  # it would have to answer 15 %
    go(store, champion=good.id, challenger=broken.id, previous=broken.id)
    watch.poll()
    assert watch.state is not None
    assert watch.state.champion.id == good.id


def test_an_empty_store_begins_with_what_the_image_proposes(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    release = release_factory(settings.releases)
    (settings.releases / "live.json").write_text(json.dumps({"champion": release.id}))
    watch.poll()
    assert watch.not_ready is None
    assert current(store, "flights") == (1, Live(champion=release.id))
    with store.connect() as connection:
        assert connection.execute(sa.select(live.c.by)).scalars().all() == ["seed"]
    other = release_factory(settings.releases, threshold=0.4)
    go(store, champion=other.id)
    later = LiveWatch(settings, Metrics())
    later.poll()
    assert later.state is not None
    assert later.state.champion.id == other.id  # a proposal is not taken twice


def test_a_proposal_that_cannot_be_served_does_not_become_live(
    settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    settings.releases.mkdir(parents=True)
    for content in ('{"champion": "0123456789abcdef"}', "{"):
        (settings.releases / "live.json").write_text(content)
        watch.poll()
        assert watch.not_ready is not None
        assert current(store, "flights") is None


def test_what_was_live_survives_a_restart_with_a_bad_row(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    good = release_factory(settings.releases).id
    go(store, champion=good)
    watch.poll()
    go(store, champion="0123456789abcdef")
    restarted = LiveWatch(settings, Metrics())
    restarted.start()
    restarted.stop()
    assert restarted.state is not None
    assert restarted.state.champion.id == good


def test_without_a_store_it_goes_on_with_its_copy_and_without_one_it_waits(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch, tmp_path: Path
) -> None:
    go(store, champion=release_factory(settings.releases).id)
    watch.poll()  # leaves its copy
    folder = tmp_path / "volume"
    elsewhere = settings.model_copy(update={"store_url": SecretStr(f"sqlite:///{folder}/store.db")})
    away = LiveWatch(elsewhere, Metrics())
    away.start()
    assert away.state is not None
    assert away.not_ready is None
    assert refusals(away) == 1
    new = LiveWatch(elsewhere.model_copy(update={"home": tmp_path / "new"}), Metrics())
    new.poll()
    assert "does not answer" in (new.not_ready or "")
    folder.mkdir()
    release = release_factory(settings.releases).id
    go(open_store(elsewhere), champion=release)
    new.poll()
    assert (new.not_ready, new.state and new.state.champion.id) == (None, release)
    away.stop()
    assert away.not_ready == "the server is stopping"


@pytest.mark.parametrize("content", ["{", "{}", '{"version": 1, "state": {"champion": "0123456789abcdef"}}'])
def test_a_copy_that_is_of_no_use_is_passed_over(settings: Settings, watch: LiveWatch, content: str) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "live-flights.json").write_text(content)
    watch.start()
    watch.stop()
    assert watch.state is None


def test_a_home_that_cannot_be_written_does_not_stop_serving(
    release_factory: Any,
    settings: Settings,
    store: Engine,
    watch: LiveWatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (settings.home / "live-flights.json").mkdir()
    go(store, champion=release_factory(settings.releases).id)
    watch.poll()
    assert watch.not_ready is None
    assert "cannot be kept" in caplog.text


def test_a_stop_is_followed_though_the_challenger_is_not_here(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    champion = release_factory(settings.releases).id
    go(store, champion=champion)
    watch.poll()
    wave = {"champion": champion, "challenger": "0123456789abcdef", "share": 0.5, "rollout_key": "k"}
    go(store, **wave)
    watch.poll()
    assert watch.state is not None
    assert watch.state.live.challenger is None, "a wave of a release that is not here is not followed"
    go(store, **wave, stopped="nonsense from the sensors")
    watch.poll()
    assert watch.state.live.stopped == "nonsense from the sensors"


def test_what_is_live_is_followed_though_the_guard_cannot_write(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch
) -> None:
    champion, slow = (release_factory(settings.releases, threshold=threshold).id for threshold in (0.33, 0.4))
    wave = {"champion": champion, "challenger": slow, "share": 0.5, "rollout_key": "k"}
    go(store, **wave)
    watch.poll()
    watch.poll()  # from now on the challenger is looked at
    assert watch.state is not None
    rows = [watch.state.champion.blank] * 600
    watch.guard.answered([str(number) for number in range(600)], rows, [0.5] * 600, 600.0)
    with store.begin() as connection:
        connection.execute(sa.text("alter table journal rename to away"))
    watch.poll()
    assert watch.state.live.halted, "here it is halted at once"
    go(store, **wave, stopped="complaints")
    watch.poll()
    assert watch.state.live.stopped == "complaints"
    kept = json.loads((settings.home / "live-flights.json").read_text())
    assert kept["state"]["stopped"] == "complaints"


def test_a_halt_of_its_own_survives_a_restart_without_a_store(
    release_factory: Any, settings: Settings, store: Engine, watch: LiveWatch, tmp_path: Path
) -> None:
    champion, slow = (release_factory(settings.releases, threshold=threshold).id for threshold in (0.33, 0.4))
    go(store, champion=champion, challenger=slow, share=0.5, rollout_key="k")
    watch.poll()
    watch.poll()  # from now on the challenger is looked at
    assert watch.state is not None
    rows = [watch.state.champion.blank] * 600
    watch.guard.answered([str(number) for number in range(600)], rows, [0.5] * 600, 600.0)
    with store.begin() as connection:
        connection.execute(sa.text("alter table journal rename to away"))
    watch.poll()
    away = settings.model_copy(update={"store_url": SecretStr(f"sqlite:///{tmp_path}/nowhere/store.db")})
    restarted = LiveWatch(away, Metrics())
    restarted.start()
    restarted.stop()
    assert restarted.state is not None
    assert (restarted.state.live.halted, restarted.state.live.share) == (True, 0.0)
