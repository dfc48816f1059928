"""Make the pictures of docs/images from a demo that has run: ``python scripts/pictures.py CONSOLE``.

CONSOLE is what the demo said, with its colours: ``FORCE_COLOR=1 COLUMNS=112 make demo > CONSOLE``. Needs chromium on PATH.
The demo's pages are started on free ports and ended; nothing is fetched from elsewhere.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
from PIL import Image
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text
from websockets.sync.client import ClientConnection, connect

from pipelines.prefect_server import free_port

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
REPORTS = ROOT / ".tremplin" / "demo" / ".tremplin" / "monitoring" / "flights"
COLUMNS = 112  # of the console
COLOURS = 96  # of a picture: text on a plain ground needs no more, and the file stays small
PATIENCE = 90.0  # seconds for a page to show what is waited for

PILOT = "flights"
TREMPLIN = str(Path(sys.executable).with_name("tremplin"))
COLOURED = "background:#191919;color:#b9bcba"
# JavaScript steps: MLflow's chat panel is closed; where the file lies on this machine is not shown.
ALONE = (
    "(() => { const b = document.querySelector('[data-component-id=\"mlflow.assistant.chat_panel.close\"]');"
    " b && b.click(); return !b })()"
)
NO_PATH = (
    "[...document.querySelectorAll('*')].filter(e => e.textContent.startsWith('Path:'))"
    ".every(e => { e.style.visibility = 'hidden'; return true })"
)
T = TypeVar("T")


def answers(url: str) -> bool:
    """Whether a server answers there."""
    return httpx.get(url, trust_env=False).is_success


def click(text: str) -> str:
    """JavaScript that clicks the innermost element of exactly this text, and tells whether there is one."""
    every = (
        "[...document.querySelectorAll('*')].filter(e => e.textContent.trim() === " + json.dumps(text) + ")"
    )
    return f"(() => {{ const e = {every}.pop(); e && e.click(); return !!e }})()"


def says(text: str) -> str:
    """JavaScript that tells whether the page shows a text."""
    return f"document.body.innerText.includes({json.dumps(text)})"


class Browser:
    """One headless chromium, spoken to by the DevTools protocol."""

    def __init__(self, port: int) -> None:
        tabs = until(
            lambda: httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json(), "chromium"
        )
        self._socket: ClientConnection = connect(tabs[0]["webSocketDebuggerUrl"], max_size=None, proxy=None)
        self._number = 0

    def call(self, method: str, **parameters: Any) -> Any:
        """A command of the protocol, and its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE))
            if answer.get("id") == self._number:
                return answer.get("result", {})

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def shoot(self, name: str, url: str, *steps: str, width: int = 1400, height: int) -> None:
        """A picture of a page, once each step's JavaScript, one after the other, was true."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        for step in steps:
            until(partial(self.run, step), f"{step} on {url}")
        time.sleep(2)  # what fades in has faded in
        shot = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        picture.save(IMAGES / f"{name}.png", optimize=True)
        print(f"{name}.png  {(IMAGES / f'{name}.png').stat().st_size // 1000} kB")


def until(ask: Callable[[], T], what: str) -> T:
    """The first true answer."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if answer := ask():
                return answer
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    raise SystemExit(f"waited {PATIENCE:.0f} s for {what}, in vain")


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[None]:
    """A process, until the block ends."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@contextmanager
def browser() -> Iterator[Browser]:
    """A chromium that asks nobody but the pages it is shown."""
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={profile}", f"--remote-debugging-port={port}", "about:blank",
        ]  # fmt: skip
        with running(command):
            yield Browser(port)


def console(chromium: Browser, name: str, command: str, text: Text) -> None:
    """A picture of what a command said, in this machine's own font."""
    recorder = Console(record=True, width=COLUMNS, file=io.StringIO())
    recorder.print(Text(f"$ {command}\n", style="bold"), text, sep="\n")
    style = "margin:0;padding:16px;width:max-content;font:14px/1.15 'DejaVu Sans Mono',monospace"
    layout = f'<meta charset=utf-8><style>body{{{{margin:0}}}}</style><pre style="{style};{COLOURED}">{{code}}</pre>'
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as page:
        page.write(recorder.export_html(theme=DIMMED_MONOKAI, inline_styles=True, code_format=layout))
        page.flush()
        url = f"file://{page.name}"
        chromium.call("Page.navigate", url=url)
        box = "(() => { const b = document.querySelector('pre')?.getBoundingClientRect(); return b && [b.width, b.height] })()"
        width, height = until(lambda: chromium.run(box), url)
        chromium.shoot(name, url, says("$"), width=round(width), height=round(height))


def said(*arguments: str) -> Text:
    """What a command of tremplin says of the demo's workspace."""
    command = [TREMPLIN, *arguments, "--workspace", "demo"]
    wide = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    return Text.from_ansi(
        subprocess.run(command, cwd=ROOT, env=wide, check=True, capture_output=True, text=True).stdout
    )


def chapters(log: Path) -> dict[int, Text]:
    """The demo's chapters by number, with their colours; 0 is what comes before the first."""
    found: dict[int, Text] = {}
    number = 0
    for line in Text.from_ansi(log.read_text("utf-8")).split("\n"):
        if heading := re.match(r" ?(\d+)  ", line.plain):
            number = int(heading[1])
        found.setdefault(number, Text()).append_text(line).append("\n")
    return found


def main() -> None:
    """Every picture."""
    if len(sys.argv) != 2 or shutil.which("chromium") is None:
        raise SystemExit(__doc__)
    IMAGES.mkdir(parents=True, exist_ok=True)
    told = Path(sys.argv[1])
    ports = [str(free_port()) for _ in range(3)]
    mlflow, prefect, server = (f"http://127.0.0.1:{port}" for port in ports)
    tremplin = [TREMPLIN, "--workspace", "demo"]
    ui = [*tremplin, "ui", "--mlflow-port", ports[0], "--prefect-port", ports[1]]
    with browser() as chromium:
        consoles(chromium, told)
        with running(ui), running([*tremplin, "serve", "--port", ports[2]]):
            for url in (f"{mlflow}/health", f"{prefect}/api/health", f"{server}/readyz"):
                until(partial(answers, url), url)
            pages(chromium, mlflow, prefect, server)


def consoles(chromium: Browser, told: Path) -> None:
    """The demo in three pictures, one prediction followed back, and the journal."""
    text = chapters(told)
    retraining = next(
        number for number, chapter in text.items() if "starts the retraining flow" in chapter.plain
    )
    first = next(number for number, chapter in text.items() if "the month is measured" in chapter.plain)
    parts = {
        "train": range(first),
        "months": range(first, retraining),
        "retrain": range(retraining, retraining + 2),
    }
    for name, numbers in parts.items():
        console(
            chromium,
            f"console-{name}",
            "make demo",
            Text().join([text[number] for number in numbers if number in text]),
        )
    found = re.search(r"tremplin trace (\w+)", told.read_text("utf-8"))
    assert found
    console(chromium, "console-trace", f"tremplin trace {found[1]} --workspace demo", said("trace", found[1]))
    console(chromium, "console-journal", "tremplin journal show --workspace demo", said("journal", "show"))


def pages(chromium: Browser, mlflow: str, prefect: str, server: str) -> None:
    """MLflow's, Prefect's, the server's and Evidently's."""
    model = httpx.get(
        f"{mlflow}/api/2.0/mlflow/registered-models/alias",
        params={"name": PILOT, "alias": "champion"},
        trust_env=False,
    ).json()["model_version"]
    experiment = httpx.get(
        f"{mlflow}/api/2.0/mlflow/runs/get", params={"run_id": model["run_id"]}, trust_env=False
    ).json()["run"]["info"]["experiment_id"]
    run = f"{mlflow}/#/experiments/{experiment}/runs/{model['run_id']}"
    chromium.shoot("mlflow-run", run, says("tremplin.release"), ALONE, width=1100, height=860)
    table = f"{run}/artifacts/gate/checks.json"
    chromium.shoot("mlflow-gate", table, says("feature-too-good"), ALONE, NO_PATH, height=690)
    chromium.shoot("mlflow-model", f"{mlflow}/#/models/{PILOT}", says("champion"), ALONE, height=1290)
    asked = httpx.post(f"{prefect}/api/flow_runs/filter", json={}, trust_env=False).json()
    automatic = next(flow["id"] for flow in asked if (flow["created_by"] or {}).get("type") == "AUTOMATION")
    chromium.shoot(
        "prefect-retraining",
        f"{prefect}/runs/flow-run/{automatic}",
        click("Details"),
        says("Created By"),
        height=880,
    )
    chromium.shoot("server-docs", f"{server}/docs", click("/predict"), says("Request body"), height=900)
    newest = max(REPORTS.glob("*-evidently.html"))
    chromium.shoot("evidently", newest.as_uri(), says("Dataset Drift"), height=1000)


if __name__ == "__main__":
    main()
