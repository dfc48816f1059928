"""The Python of a pilot: ``source.py``, ``features.py`` and ``model.py``, loaded by path. Nothing else imports a pilot."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from tremplin.errors import ConfigurationError, Fault

KNOWN_AT = "known_at"  # the parameter of ``fetch`` by which a source is cut at a moment


@dataclass(frozen=True)
class PilotCode:
    """The code in ``folder``; each file is run when it is first asked for."""

    name: str
    folder: Path

    @cached_property
    def source(self) -> ModuleType:
        """``source.py``: ``fetch(start, end) -> DataFrame``."""
        return self._load("source", "fetch")

    @property
    def can_be_cut(self) -> bool:
        """Whether ``fetch`` can be asked for what was known at a moment."""
        return KNOWN_AT in inspect.signature(self.source.fetch).parameters

    @cached_property
    def features(self) -> ModuleType:
        """``features.py``: ``transformer() -> unfitted transformer``."""
        return self._load("features", "transformer")

    @cached_property
    def model(self) -> ModuleType:
        """``model.py``: ``baseline()`` and ``candidates(parameters)``."""
        return self._load("model", "baseline", "candidates")

    def faults(self) -> list[Fault]:
        """What keeps the three files from being loaded, all at once."""
        found: list[Fault] = []
        for part in ("source", "features", "model"):
            try:
                getattr(self, part)
            except ConfigurationError as error:
                found += error.faults
        return found

    def _load(self, name: str, *functions: str) -> ModuleType:
        path = self.folder / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"tremplin_pilot_{self.name}_{name}", path)
        if not path.exists() or spec is None or spec.loader is None:
            raise ConfigurationError([Fault(path, None, "the file is missing")])
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # so that what it defines can be pickled and looked up
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            line = getattr(error, "lineno", None) or _line_in(error, path)
            raise ConfigurationError([Fault(path, line, f"{type(error).__name__}: {error}")]) from error
        missing = [f for f in functions if not callable(getattr(module, f, None))]
        if missing:
            raise ConfigurationError([Fault(path, None, f"it must define {'() and '.join(missing)}()")])
        return module


def _line_in(error: BaseException, path: Path) -> int | None:
    """The last line of ``path`` in the error's traceback."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
