"""``POST /predict``, in plain ASGI: it is asked for every row, and a framework's own way to a route takes longer than the answer.

It is described in the same OpenAPI document as the rest (``serving.docs``), and stands in front of the application.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from serving.access.admission import Access
from serving.access.headers import SecurityHeadersMiddleware, answer_headers
from serving.access.roles import Role
from serving.metrics import Metrics
from serving.predicting import Predictor
from serving.problems import Problem
from serving.request_body import MAX_BYTES
from serving.unforeseen import unforeseen

PATH = "/predict"
JSON = (b"content-type", b"application/json")


class PredictRoute:
    """Answers ``/predict``."""

    def __init__(self, access: Access, predictor: Predictor, metrics: Metrics, *, tls: bool) -> None:
        self._access, self._predictor, self._metrics = access, predictor, metrics
        self._tls, self._headers = tls, [JSON, *answer_headers(tls=tls)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or a problem document; both are counted and timed."""
        begun, status = perf_counter(), 500  # of a request that dies before it is answered
        try:
            content = await self._answer(scope, receive)
            status = 200
            length = (b"content-length", str(len(content)).encode())
            await send({"type": "http.response.start", "status": 200, "headers": [*self._headers, length]})
            await send({"type": "http.response.body", "body": content})
        except Exception as error:
            if status == 200:
                raise  # the connection is closed, and the server logs why
            problem = error if isinstance(error, Problem) else unforeseen(scope)
            status = problem.document["status"]
            await SecurityHeadersMiddleware(problem.response(), tls=self._tls)(scope, receive, send)
        finally:
            self._metrics.observe(PATH, status, perf_counter() - begun)

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        _require_post(scope["method"])
        headers = dict(scope["headers"])
        caller = await self._access.admit(scope, Role.PREDICT)
        _require_json(headers.get(b"content-type", b""))
        body = await _body(receive)
        trace = headers.get(b"traceparent")
        charge = partial(self._access.charge, caller)
        return to_json(await self._predictor.answer(body, charge, trace and trace.decode("latin-1")))


def _require_post(method: str) -> None:
    """405 for any other, as the framework says it of its own routes."""
    if method != "POST":
        detail = f"{method} {PATH} is not possible; POST is."
        raise Problem(405, "Method Not Allowed", detail, {"Allow": "POST"})


def _require_json(given: bytes) -> None:
    """Nothing is guessed of a body that does not say what it is, and no page elsewhere can make a browser send one unasked.

    Raises:
        Problem: 415 with the type to send (RFC 9110, section 15.5.16).
    """
    if given != JSON[1] and given.partition(b";")[0].strip().lower() != JSON[1]:
        got = given[:100].decode("latin-1") or "none"
        detail = f"Send it with Content-Type: application/json; got {got}."
        raise Problem(415, "The body is not said to be JSON", detail, {"Accept": "application/json"})


async def _body(receive: Receive) -> bytes:
    """The whole body, as long as it is not too long.

    Raises:
        Problem: 413 above ``MAX_BYTES``, 400 where the caller leaves before its end.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "The body is not whole", "The caller left before its end.")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BYTES:
            detail = f"At most {MAX_BYTES // 2**20} MiB; send fewer rows at a time."
            raise Problem(413, "The body is too long", detail)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
