"""Small checkouts of the pilot `lamps` at each station of the loop, made once by the commands themselves and then copied."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from pipelines import rollout
from tests.people import make_people
from tests.pipelines.lamp_town import Town
from tests.power_cut.answers import Scores, answer
from tests.power_cut.facts import facts_of
from tests.power_cut.moments import APRIL, FIRST, MARCH, RUN, SECOND, Moment, Row, approve, before, stop
from tests.tremplin_cli import CHECKOUT, copy_of, environment, lamp_checkout
from tremplin import live
from tremplin.settings import load_settings
from tremplin.store import open_store

KILLED = -9  # what a process that was killed gives for an exit code
HERE = Path(__file__).parent
SMALL: dict[str, dict[str, Any]] = {
    "model": {"candidates": {"linear": {"C": 1.0}}},
    "monitoring": {"minimum_rows": 500, "minimum_site_rows": 100},
}


class Worlds:
    """Worlds by name, made when they are first asked for; ``call`` runs a command in one."""

    def __init__(self, folder: Path, empty_mlflow: Path) -> None:
        self.folder, self.empty_mlflow = folder, empty_mlflow
        self.log = folder / "log"
        self._made: dict[str, Town] = {}
        self._undisturbed: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}

    @cached_property
    def runner(self) -> subprocess.Popen[str]:
        variables = environment(PYTHONPATH=os.pathsep.join([str(HERE), str(CHECKOUT)]))
        command = [sys.executable, "-m", "tests.power_cut.runner"]
        return subprocess.Popen(
            command, cwd=CHECKOUT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def call(self, town: Town, *words: str, moment: Moment | None = None) -> int:
        """The exit code of ``tremplin WORDS``; ``KILLED`` where the power was cut at ``moment``."""
        runner = self.runner
        assert runner.stdin is not None
        assert runner.stdout is not None
        order = {"words": words, "root": str(town.root), "log": str(self.log)}
        runner.stdin.write(json.dumps(order | {"moment": moment and asdict(moment)}) + "\n")
        runner.stdin.flush()
        return int(runner.stdout.readline())

    def done(self, town: Town, *words: str) -> None:
        """A command that must succeed."""
        self.log.write_text("")
        assert self.call(town, *words) == 0, self.log.read_text()

    def world(self, name: str) -> Town:
        """The world of that name, for copying only."""
        if name not in self._made:
            make: Callable[[Path], Town] = getattr(self, f"_{name}")
            self._made[name] = make(self.folder / name)
        return self._made[name]

    def copy(self, name: str, root: Path) -> Town:
        return copy_of(self.world(name), root)

    def add(self, name: str, town: Town) -> None:
        """A world that was made elsewhere."""
        self._made[name] = town

    def undisturbed(self, row: Row) -> dict[str, Any]:
        """The facts after a row's command, which nothing cut short."""
        key = (row.world, row.words)
        if key not in self._undisturbed:
            town = self.copy(row.world, self.folder / f"undisturbed-{len(self._undisturbed)}")
            self.done(town, *row.words)
            self._undisturbed[key] = facts_of(town)
        return self._undisturbed[key]

    def completed(self, row: Row, root: Path) -> dict[str, Any]:
        """The facts after its command was cut short in ``root``, and called again."""
        town = self.copy(row.world, root)
        self.log.write_text("")
        assert self.call(town, *row.words, moment=row.moment) == KILLED, self.log.read_text()
        self.done(town, *row.words)
        return facts_of(town)

    def stop(self) -> None:
        self.runner.terminate()
        self.runner.communicate()

    def _empty(self, root: Path) -> Town:
        """Nothing was done yet; the people have keys."""
        town = lamp_checkout(root)
        file = town.csv.with_name("pilot.yaml")
        content = yaml.safe_load(file.read_text("utf-8"))
        for section, values in SMALL.items():
            content[section] |= values
        file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        make_people(root / ".tremplin" / "keys")
        shutil.copy(self.empty_mlflow, root / ".tremplin" / "mlflow.db")
        return town

    def _reproduced(self, root: Path) -> Town:
        """Files are a model; MLflow knows nothing of it."""
        return self._cut("empty", root, before("pipelines.flows:record"))

    def _recorded(self, root: Path) -> Town:
        return self._cut("reproduced", root, before("pipelines.flows:judge"))

    def _judged(self, root: Path) -> Town:
        """The first model passed the gate."""
        town = self.copy("recorded", root)
        self.done(town, *RUN)
        return town

    def _live(self, root: Path) -> Town:
        """... and answers everybody."""
        town = self.copy("judged", root)
        self.done(town, *approve(1, FIRST))
        return town

    def _worse(self, root: Path) -> Town:
        """... wrongly, for two months, of which one was measured."""
        town = self.copy("live", root)
        answer(town, lambda scores: 1 - scores)
        self.done(town, "monitor", "2024-03", "--as-of", MARCH)
        return town

    def _due(self, root: Path) -> Town:
        """... and the other: retraining is due."""
        town = self.copy("worse", root)
        self.done(town, "monitor", "2024-04", "--as-of", APRIL)
        return town

    def _judged_again(self, root: Path) -> Town:
        """A second model passed the gate."""
        town = self.copy("live", root)
        self.done(town, "run", "--as-of", SECOND)
        return town

    def _challenged(self, root: Path) -> Town:
        """... and was approved."""
        town = self.copy("judged_again", root)
        self.done(town, *approve(2, SECOND))
        return town

    def _first_wave(self, root: Path) -> Town:
        """... and answers the first users, as well as the champion would."""
        return self._waves(root, 1, lambda scores: scores)

    def _last_wave(self, root: Path) -> Town:
        return self._waves(root, 3, lambda scores: scores)

    def _halted(self, root: Path) -> Town:
        town = self.copy("first_wave", root)
        self.done(town, *stop("halt"))
        return town

    def _degraded(self, root: Path) -> Town:
        return self._waves(root, 1, lambda scores: 1 - scores)

    def _cut(self, world: str, root: Path, moment: Moment) -> Town:
        town = self.copy(world, root)
        self.log.write_text("")
        assert self.call(town, *RUN, moment=moment) == KILLED, self.log.read_text()
        return town

    def _waves(self, root: Path, most: int, how: Callable[[Scores], Scores]) -> Town:
        town = self.copy("challenged", root)
        engine = open_store(load_settings(root=town.root))
        known = live.current(engine, "lamps")
        assert known is not None
        assert known[1].challenger is not None
        for wave in range(1, most + 1):
            moment = datetime.fromisoformat(SECOND)
            rollout.open_wave(engine, town.pilot, known[1].challenger, wave, by="tremplin", as_of=moment)
        engine.dispose()
        answer(town, how)
        return town
