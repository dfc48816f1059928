"""An open loop: requests leave by the clock, whether or not earlier ones were answered. JSON on stdout.

A closed loop (wrk) asks less while the server is slow, and so hardly sees what its users would: the slow spell is counted once
(coordinated omission). Here the time of each request counts from when it was due; one that finds no free connection waits, and
its waiting counts. The loop never sleeps, for a timer would come up to a millisecond late: give it a core of its own.

    python -m benchmarks.contest.paced URL BODIES HEADERS RATE CONNECTIONS SECONDS
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

SETTLING = 0.5  # seconds at the beginning that are not counted
PATIENCE = 10.0  # seconds after the last request was due


def main() -> None:
    """Ask, and print the latencies' quantiles in ms."""
    url, bodies, headers, rate, connections, seconds = sys.argv[1:]
    parts = urlsplit(url)
    requests = written(parts.path, parts.netloc, Path(bodies), Path(headers))
    address = (str(parts.hostname), int(parts.port or 80))
    print(json.dumps(asked(address, requests, float(rate), int(connections), float(seconds))))


def written(path: str, host: str, bodies: Path, headers: Path) -> list[bytes]:
    """Whole requests, as they go over the wire."""
    shared = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n" + headers.read_text("utf-8").replace("\n", "\r\n")
    found, content = [], bodies.read_bytes()
    while content:
        length, _, rest = content.partition(b" ")
        body, content = rest[: int(length)], rest[int(length) :]
        found.append(f"{shared}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return found


def asked(
    address: tuple[str, int], requests: list[bytes], rate: float, connections: int, seconds: float
) -> dict[str, float]:
    """One request every ``1 / rate`` seconds over at most so many connections."""
    sockets = [socket.create_connection(address) for _ in range(connections)]
    poll = select.epoll()
    for one in sockets:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        poll.register(one.fileno(), select.EPOLLIN)
    by_number = {one.fileno(): one for one in sockets}
    free = deque(sockets)
    due_of: dict[int, float] = {}
    begun_answers: dict[int, bytes] = {}
    latencies: list[float] = []
    late: list[float] = []  # from due to sent: the generator's own share, and the wait for a connection
    errors = sent = 0
    total = round(rate * seconds)
    begin = time.perf_counter() + 0.01
    end = begin + seconds + PATIENCE
    while sent < total or due_of:
        now = time.perf_counter()
        if now > end:
            break
        while sent < total and free and (due := begin + sent / rate) <= now:
            one = free.popleft()
            one.send(requests[sent % len(requests)])
            due_of[one.fileno()] = due
            if due - begin > SETTLING:
                late.append(now - due)
            sent += 1
        for number, _event in poll.poll(0):
            one = by_number[number]
            content = begun_answers.pop(number, b"") + one.recv(65536)
            if not content:
                raise SystemExit("the server closed a connection")
            if not whole(content):
                begun_answers[number] = content
                continue
            due = due_of.pop(number)
            errors += not content.startswith(b"HTTP/1.1 2")
            if due - begin > SETTLING:
                latencies.append(time.perf_counter() - due)
            free.append(one)
    latencies.sort()
    late.sort()
    return {
        "rate": rate,
        "requests": len(latencies),
        "unanswered": total - sent + len(due_of),
        "errors": errors,
        "p50_ms": quantile(latencies, 0.5),
        "p99_ms": quantile(latencies, 0.99),
        "p999_ms": quantile(latencies, 0.999),
        "sent_late_p99_ms": quantile(late, 0.99),
    }


def whole(content: bytes) -> bool:
    """Whether an answer is all there, by its Content-Length or its last chunk."""
    head, found, body = content.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return body.endswith(b"0\r\n\r\n")


def quantile(ordered: list[float], share: float) -> float:
    """In ms; infinite where there is nothing."""
    return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")


if __name__ == "__main__":
    main()
