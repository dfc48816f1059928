"""What goes out with every answer, and HTTPS with a real certificate and a real process."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from fastapi import FastAPI

from serving.access.headers import SecurityHeadersMiddleware
from serving.access.tls import tls_options
from serving.docs_page import add_docs_page
from tremplin.errors import TremplinError
from tremplin.settings import load_settings


def app(*, tls: bool = False) -> FastAPI:
    made = FastAPI(docs_url=None, redoc_url=None, title="<Flights>")

    @made.get("/hello")
    async def hello() -> str:
        return "hello"

    add_docs_page(made)
    made.add_middleware(SecurityHeadersMiddleware, tls=tls)
    return made


def get(path: str, *, tls: bool = False) -> httpx.Response:
    async def go() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app(tls=tls)), base_url="http://test"
        ) as one:
            return await one.get(path)

    return asyncio.run(go())


@pytest.mark.parametrize("path", ["/hello", "/nowhere", "/openapi.json"])
def test_answers_are_not_kept_and_run_nothing(path: str) -> None:
    told = get(path).headers
    assert told["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (told["cache-control"], told["x-content-type-options"]) == ("no-store", "nosniff")
    assert told["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" not in told
    assert get(path, tls=True).headers["strict-transport-security"].startswith("max-age=")


def test_the_page_of_docs_needs_no_exception_from_its_policy() -> None:
    page = get("/docs")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "//" not in policy
    assert "&lt;Flights&gt;" in page.text
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=|javascript:", page.text)
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        answer = get(f"/{asset}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"  # so its type must be right
        if asset.endswith(".js"):
            assert "javascript" in answer.headers["content-type"]


@pytest.mark.browser
def test_a_browser_runs_the_page_under_its_policy(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no Chromium on PATH")

    async def story() -> tuple[bytes, bytes]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = uvicorn.Server(uvicorn.Config(app(), log_config=None, lifespan="off"))
            running = asyncio.create_task(server.serve([listener]))
            options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
            shown = await asyncio.create_subprocess_exec(
                browser, *options, "--enable-logging=stderr", "--virtual-time-budget=8000", "--dump-dom",
                f"http://127.0.0.1:{listener.getsockname()[1]}/docs", stdout=PIPE, stderr=PIPE,
            )  # fmt: skip
            try:
                return await asyncio.wait_for(shown.communicate(), 60)
            finally:
                server.should_exit = True
                await running

    page, log = asyncio.run(story())
    assert b'class="opblock' in page  # Swagger UI has drawn the operation
    assert b"Content Security Policy" not in log


def certificate(folder: Path, password: bytes | None = None) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, of its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    secret = BestAvailableEncryption(password) if password else NoEncryption()
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    return files


def settings(root: Path, cert: Path = Path(), key: Path = Path()) -> Any:
    return load_settings(root=root, tls_certificate=cert, tls_key=key)


def test_https_is_served_from_tls_1_2_on(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            options = tls_options(settings(tmp_path, cert, key))
            server = uvicorn.Server(uvicorn.Config(app(tls=True), log_config=None, lifespan="off", **options))
            running = asyncio.create_task(server.serve([listener]))
            url = f"https://127.0.0.1:{listener.getsockname()[1]}/hello"
            try:
                trusting = ssl.create_default_context(cafile=cert)
                async with httpx.AsyncClient(verify=trusting) as one:
                    answer = await one.get(url)
                assert answer.json() == "hello"
                assert "strict-transport-security" in answer.headers
                old = ssl.create_default_context(cafile=cert)
                old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
                old.set_ciphers("ALL:@SECLEVEL=0")
                async with httpx.AsyncClient(verify=old) as one:
                    with pytest.raises(httpx.TransportError):
                        await one.get(url)
                async with httpx.AsyncClient() as one:
                    with pytest.raises(httpx.TransportError):
                        await one.get(url.replace("https", "http"))
            finally:
                server.should_exit = True
                await running

    with pytest.warns(DeprecationWarning, match=r"TLSv1_1|TLS"):
        asyncio.run(story())


def test_what_does_not_make_https_is_said_before_the_start(tmp_path: Path) -> None:
    assert tls_options(settings(tmp_path)) == {}
    cert, key = certificate(tmp_path / "one")
    _, other = certificate(tmp_path / "two")
    _, encrypted = certificate(tmp_path / "three", b"secret")
    (tmp_path / "words.pem").write_text("no certificate")
    for given, said in (
        ((cert,), "go together"),
        ((Path(), key), "go together"),
        ((cert, tmp_path / "none.key"), "No such file"),
        ((cert, other), "cannot be used"),
        ((cert, encrypted), "cannot be used"),
        ((tmp_path / "words.pem", key), "cannot be used"),
    ):
        with pytest.raises(TremplinError, match=said):
            tls_options(settings(tmp_path, *given))
