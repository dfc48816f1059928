"""A power cut at a named moment: every process of a command ends at once, by SIGKILL. Python loads this file by its name.

A process that finds ``POWER_CUT`` in its environment watches its own calls (``sys.setprofile``), without a change to the code
that runs: so do the processes that it starts, DVC and its stages.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

VARIABLE = "POWER_CUT"


def watch(moment: dict[str, Any]) -> None:
    """Kill the process group at ``moment``: ``{"call": "module:function", "when": "before" or "after", "given": {...}}``.

    ``given``: what the text of an argument must hold, by its name.
    """
    module, _, name = moment["call"].partition(":")
    event, given = {"before": "call", "after": "return"}[moment["when"]], moment["given"]

    def cut(frame: FrameType, happened: str, _argument: object) -> None:
        code = frame.f_code
        if happened != event or code.co_qualname != name or frame.f_globals.get("__name__") != module:
            return
        if all(part in str(frame.f_locals.get(key)) for key, part in given.items()):
            os.killpg(0, signal.SIGKILL)

    threading.setprofile(cut)
    sys.setprofile(cut)


if os.environ.get(VARIABLE):
    watch(json.loads(os.environ[VARIABLE]))
