"""What the slow routes stand on: who asks, what is live, and the one way from rows to answers that are logged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from serving.access.admission import Access
from serving.access.roles import Caller
from serving.live_watch import LiveWatch, State
from serving.problems import Problem
from serving.request_model import Row
from tremplin.settings import Settings

# From rows that fit the champion's contract to answers as /predict gives them, logged; with the caller's traceparent.
AnswerRows = Callable[[Sequence[Row], State, str | None, Caller], Awaitable[list[dict[str, Any]]]]
Settle = Callable[[], Awaitable[bool]]  # waits for what was answered before; whether it is in the store now

PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
ANYWHERE: dict[int | str, dict[str, Any]] = {
    401: {"description": "Nobody who is known here asks", **PROBLEM},
    403: {"description": "Who asks may not", **PROBLEM},
    429: {"description": "Too much for now; Retry-After says when to go on", **PROBLEM},
    500: {"description": "The server failed; `instance` is the request's id in its log", **PROBLEM},
}


@dataclass(frozen=True)
class Parts:
    """Parts of the server that routes share."""

    settings: Settings
    watch: LiveWatch
    access: Access
    answer_rows: AnswerRows
    settle: Settle
    not_ready: Callable[[], str | None]  # why it cannot answer; None where it can

    @property
    def state(self) -> State:
        """What is live.

        Raises:
            Problem: 503, nothing is.
        """
        if self.watch.state is None:
            raise Problem(503, "Not ready", self.watch.not_ready or "starting")
        return self.watch.state


def json_answer(content: Any, status: int = 200) -> Response:
    """JSON with times as ISO 8601 in UTC."""
    return Response(to_json(content), status, media_type="application/json")
