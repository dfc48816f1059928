"""``python -m serving``: one process, one pilot, until it is told to stop."""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import suppress
from types import FrameType

import uvicorn

from serving.access.tls import tls_options
from serving.app import create_app
from serving.connections import Bounds, bounded
from tremplin.errors import TremplinError
from tremplin.settings import load_settings

DRAIN_SECONDS = 20  # for what was accepted before the end; under Kubernetes' 30


class Server(uvicorn.Server):
    """Says where it listens, and is not ready from the moment it is told to stop."""

    def __init__(self, config: uvicorn.Config, said: str) -> None:
        super().__init__(config)
        self._line = said

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print one line."""
        await super().startup(sockets)
        if self.started:
            print(self._line, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or Ctrl-C: readiness off first, then finish what was accepted."""
        self.config.app.state.watch.stop()  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def main() -> int:
    """Serve by the settings; 1 where they, or the address, do not fit."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = load_settings()
        tls = tls_options(settings)
        app = create_app(settings)
        listener = _listen(settings.host, settings.port)
    except TremplinError as error:
        print(error, file=sys.stderr)
        return 1
    config = uvicorn.Config(
        app, loop="serving.connections:Loop", http=bounded(Bounds.of_process()), ws="none", lifespan="on", access_log=False,
        log_config=None, log_level="warning", server_header=False,
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,  # nobody's word on an address is taken unasked
        timeout_graceful_shutdown=DRAIN_SECONDS, **tls,
    )  # fmt: skip
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    url = f"{'https' if tls else 'http'}://{shown}:{port}"
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has ended well
        Server(config, f"Tremplin serves {settings.pilot} on {url}").run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise TremplinError(
            f"Port {port} of {host} cannot be used: {error.strerror}. Stop what uses it, or set TREMPLIN_PORT (0: any free one)."
        ) from None


if __name__ == "__main__":
    sys.exit(main())
