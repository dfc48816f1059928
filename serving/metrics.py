"""What Prometheus reads: requests, predictions, what is live. Names and units follow its conventions."""

from __future__ import annotations

from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.answer_counts import AnswerCounts

GROUPS = ("/docs", "/predictions", "/v2")  # one label for all that lies under each
ROUTES = frozenset(
    {"/predict", "/explain", "/outcomes", "/reviews", "/livez", "/readyz", "/metrics", "/release", "/notice", "/log",
     "/openapi.json", *GROUPS}
)  # fmt: skip
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """One registry an application, so that two of them in a process do not share their counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "tremplin_requests", "Requests answered", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "tremplin_request_seconds",
            "Time from request to answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.answers = AnswerCounts()
        self.registry.register(self.answers)
        self.unlogged = Counter(
            "tremplin_unlogged",
            "Rows answered though the answer could not be logged, where the charter allows it",
            registry=self.registry,
        )
        self.log_failures = Counter(
            "tremplin_log_failures",
            "Requests refused because their answers could not be logged",
            registry=self.registry,
        )
        self.access_stale = Gauge(
            "tremplin_access_stale",
            "1 while the keys or the issuer cannot be read: the last good ones count",
            registry=self.registry,
        )
        self.live_version = Gauge(
            "tremplin_live_version", "Version of the row that says what is live", registry=self.registry
        )
        self.guarded = Counter(
            "tremplin_guarded", "Challengers that this server halted by itself", registry=self.registry
        )
        self.live_looked = Gauge(
            "tremplin_live_looked_timestamp_seconds",
            "When this server last read what is live from the store",
            registry=self.registry,
        )
        self.live_refused = Counter(
            "tremplin_live_refused", "Polls whose row could not be read or served; the last good one stays",
            registry=self.registry,
        )  # fmt: skip

    def observe(self, route: str, status: int, seconds: float) -> None:
        """One request, answered."""
        children = self._children.get((route, status))
        if children is None:
            children = self.requests.labels(route, status), self.seconds.labels(route)
            self._children[route, status] = children
        children[0].inc()
        children[1].observe(seconds)


class MetricsMiddleware:
    """Counts and times requests. Pure ASGI: Starlette's BaseHTTPMiddleware would cost two thirds of the throughput."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; look at the status on its way out."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500  # of a request that dies before it is answered
        begun = perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            path: str = scope["path"]
            page = next((group for group in GROUPS if path.startswith(f"{group}/")), path)
            route = page if page in ROUTES else "other"  # callers must not make labels
            self.metrics.observe(route, status, perf_counter() - begun)
