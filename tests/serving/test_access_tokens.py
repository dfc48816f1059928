"""Bearer tokens of an issuer that runs on this machine: which count, and which do not."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import serving.access.issuer as issuing
from serving.access.admission import Access
from serving.access.keys import add
from serving.access.opening import open_access
from serving.access.roles import Role
from tests.serving.access_app import ask, bearer, eventually
from tests.serving.oidc import Issuer, base64url, ec, ed25519, encoded, issuer, rsa
from tremplin.errors import TremplinError
from tremplin.settings import load_settings

Open = Callable[..., Access]


@pytest.fixture
def who() -> Iterator[Issuer]:
    with issuer() as one:
        yield one


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Production with an issuer; it runs until the end of the test."""
    made: list[Access] = []

    def make(url: str, *, wait: bool = True, **given: Any) -> Access:
        given = {"oidc_audience": "tremplin"} | given
        access = open_access(load_settings(root=tmp_path, environment="production", oidc_issuer=url, **given))
        access.start()
        made.append(access)
        if wait:
            eventually(lambda: not access.problem)
        return access

    yield make
    for access in made:
        access.stop()


@pytest.mark.filterwarnings("ignore")  # what the provider's own libraries deprecate
def test_a_stock_provider_and_its_authorization_code(opened: Open) -> None:
    """The whole flow of OpenID Connect Core, section 3.1, with a provider that is not ours."""
    import oidc_provider_mock

    user = oidc_provider_mock.User(
        sub="ada@town.example", claims={"roles": ["predict", "audit", "unheard-of"]}
    )
    with oidc_provider_mock.run_server_in_thread(user_claims=[user]) as server, httpx.Client() as browser:
        url = f"http://localhost:{server.server_port}"
        asked = {
            "client_id": "portal",
            "redirect_uri": "https://portal.example/back",
            "response_type": "code",
            "scope": "openid",
        }
        sent = browser.post(f"{url}/oauth2/authorize", params=asked, data={"sub": "ada@town.example"})
        code = parse_qs(urlsplit(sent.headers["location"]).query)["code"][0]
        tokens = browser.post(
            f"{url}/oauth2/token",
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": "https://portal.example/back",
            },
            auth=("portal", "secret"),
        ).json()
        access = opened(url, oidc_audience="portal")
        answer = ask(access, "/predict", **bearer(tokens["id_token"]))
        assert answer.json() == {
            "identity": "token:ada@town.example",
            "kind": "token",
            "roles": ["audit", "predict"],
        }
        assert ask(access, "/operate", **bearer(tokens["id_token"])).status_code == 403
        other = opened(url, oidc_audience="another service")
        assert ask(other, "/predict", **bearer(tokens["id_token"])).status_code == 401


@pytest.mark.parametrize(
    ("claims", "claim", "roles"),
    [
        ({"roles": ["predict", "review"]}, "roles", {"predict", "review"}),
        ({"roles": "predict review"}, "roles", {"predict", "review"}),
        ({"scope": "openid predict"}, "scope", {"predict"}),
        ({"realm_access": {"roles": ["operate"]}}, "realm_access.roles", {"operate"}),
        ({"https://town.example/roles": ["audit"]}, "https://town.example/roles", {"audit"}),
        ({"roles": None}, "roles", set()),
        ({"roles": {"predict": True}}, "roles", set()),
        ({"roles": [["predict"], 1, None, "PREDICT"]}, "roles", set()),
        ({"realm_access": "predict"}, "realm_access.roles", set()),
    ],
)
def test_roles_come_from_the_claim_that_is_set(
    opened: Open, who: Issuer, claims: dict[str, Any], claim: str, roles: set[str]
) -> None:
    access = opened(who.url, oidc_roles_claim=claim)
    token = who.token(**claims)
    assert {role for role in Role if ask(access, f"/{role}", **bearer(token)).status_code == 200} == roles
    assert all(ask(access, f"/{role}", **bearer(token)).status_code == 403 for role in set(Role) - roles)


NOW = int(time.time())


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "another"}, "aud"),
        ({"aud": ["another", "third"]}, "aud"),
        ({"aud": None}, "MissingRequiredClaim"),
        ({"iss": "https://elsewhere.example"}, "InvalidIssuer"),
        ({"iss": None}, "MissingRequiredClaim"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": None}, "MissingRequiredClaim"),
        ({"exp": "soon"}, "Decode"),
        ({"nbf": NOW + 3600}, "ImmatureSignature"),
        ({"sub": None}, "MissingRequiredClaim"),
        ({"sub": ""}, "sub"),
        ({"sub": "a" * 191}, "sub"),
        ({"sub": "a\0b"}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sub": "\ud800"}, "sub"),
        ({"sub": 7}, "InvalidSubject"),
    ],
)
def test_claims_that_do_not_fit(opened: Open, who: Issuer, claims: dict[str, Any], said: str) -> None:
    access = opened(who.url)
    answer = ask(access, "/predict", **bearer(who.token(**claims)))
    assert answer.status_code == 401
    assert said in answer.json()["detail"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["another", "tremplin"]},
        {"exp": NOW + 3600},
        {"nbf": NOW},
        {"sub": "a" * 190},
        {"sub": "Zoé d'Été | 😀"},
    ],
)
def test_claims_that_fit(opened: Open, who: Issuer, claims: dict[str, Any]) -> None:
    access = opened(who.url)
    assert ask(access, "/predict", **bearer(who.token(**claims))).status_code == 200


def test_every_asymmetric_kind_of_key_counts(opened: Open, who: Issuer) -> None:
    who.keys = [rsa("r"), ec("e"), ed25519("d")]
    access = opened(who.url)
    for key, algorithm in zip([who.keys[0], *who.keys], ["PS256", "RS256", "ES256", "EdDSA"], strict=True):
        assert ask(access, "/predict", **bearer(who.token(key, algorithm))).status_code == 200


def forged(who: Issuer) -> dict[str, str]:
    """Tokens that a careless verifier takes."""
    good = who.token()
    head, body, signature = good.split(".")
    other = rsa("first")  # the same name, another key
    pem = who.keys[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    hs256 = f"{encoded({'alg': 'HS256', 'kid': 'first'})}.{body}"
    nested = b'{"alg":"RS256","kid":"first","a":' + b"[" * 5500 + b"]" * 5500 + b"}"
    return {
        "no signature": f"{encoded({'alg': 'none', 'kid': 'first'})}.{body}.",
        "none in capitals": f"{encoded({'alg': 'NONE', 'kid': 'first'})}.{body}.",
        "signature cut off": f"{head}.{body}.",
        "signature of another": f"{head}.{body}.{who.token(other).split('.')[2]}",
        "another key of that name": who.token(other),
        "public key as secret": f"{hs256}.{base64url(hmac.digest(pem, hs256.encode(), 'sha256'))}",
        "its own key in the header": who.token(other, header={"jwk": other.jwk}),
        "its own address of keys": who.token(other, header={"jku": "https://elsewhere.example/jwks"}),
        "kid as a path": who.token(other, header={"kid": "../../../../dev/null"}),
        "kid as a query": who.token(other, header={"kid": "first' OR 1=1 --"}),
        "kid that is no text": f"{encoded({'alg': 'RS256', 'kid': {'a': 1}})}.{body}.{signature}",
        "algorithm that is no text": f"{encoded({'alg': ['RS256'], 'kid': 'first'})}.{body}.{signature}",
        "unknown critical header": who.token(header={"kid": "first", "crit": ["http://x"], "http://x": 1}),
        "changed claims": f"{head}.{encoded({'sub': 'eve', 'roles': ['operate']})}.{signature}",
        "no JSON": f"{head}.{encoded('x')[:-1]}.{signature}",
        "header is a list": f"{encoded([1])}.{body}.{signature}",
        "deep header": f"{base64url(b'[' * 6000)}.{body}.{signature}",
        "deep header that ends": f"{base64url(nested)}.{body}.{signature}",
        "four parts": f"{good}.{signature}",
        "bytes": "\xff.\xff.\xff",
    }


def test_forged_tokens_never_count(opened: Open, who: Issuer) -> None:
    access = opened(who.url)
    for name, token in forged(who).items():
        answer = ask(access, "/predict", authorization=b"Bearer " + token.encode("latin-1"))  # type: ignore[arg-type]
        assert answer.status_code == 401, name
        assert token[:40] not in answer.text, name
    assert ask(access, "/predict", **bearer(who.token())).status_code == 200


def test_weak_keys_and_keys_for_something_else_are_not_taken(opened: Open, who: Issuer) -> None:
    who.keys = [rsa("first"), rsa("weak", 1024), rsa("enc", use="enc"), rsa("ps", alg="PS256")]
    access = opened(who.url)
    for key in who.keys[1:]:
        assert ask(access, "/predict", **bearer(who.token(key))).status_code == 401
    assert ask(access, "/predict", **bearer(who.token())).status_code == 200
    assert ask(access, "/predict", **bearer(who.token(who.keys[3], "PS256"))).status_code == 200


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kty": ["RSA"], "crv": {}},
        {"kty": "RSA"},
        {"kty": "RSA", "kid": "x", "n": 5, "e": "AQAB"},
        {"kty": "RSA", "kid": "x", "n": "!!", "e": "!!"},
        {"kty": "EC", "crv": "P-256", "kid": "x", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "kid": {"a": 1}, "x": None, "y": []},
        {"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": ""},
        {"kty": "oct", "kid": "x", "k": "AAAA"},
        {"kty": "NEW", "kid": "x"},
    ],
)
def test_a_key_that_cannot_be_used_leaves_the_others(opened: Open, who: Issuer, more: dict[str, Any]) -> None:
    who.more = [more]
    access = opened(who.url)
    assert ask(access, "/predict", **bearer(who.token())).status_code == 200
    assert ask(access, "/predict", **bearer(who.token(header={"kid": "x"}))).status_code == 401


def test_a_new_key_is_looked_up_and_forged_names_do_not_make_it_ask(
    opened: Open, who: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "AGAIN", 0.5)
    access = opened(who.url)
    old, new = who.keys[0], rsa("second")
    before = who.token(old)
    assert ask(access, "/predict", **bearer(before)).status_code == 200
    time.sleep(0.5)
    who.keys = [new]
    assert ask(access, "/predict", **bearer(who.token(new))).status_code == 200  # at the first request
    assert ask(access, "/predict", **bearer(before)).status_code == 401  # what it signed went with the key
    calls = who.calls["/jwks"]
    monkeypatch.setattr(issuing, "AGAIN", 60.0)
    for number in range(40):
        assert (
            ask(access, "/predict", **bearer(who.token(rsa_once(), header={"kid": str(number)}))).status_code
            == 401
        )
    assert who.calls["/jwks"] == calls


def rsa_once(made: list[Any] = []) -> Any:  # noqa: B006 - one for all, they are slow to make
    made or made.append(rsa("forged"))
    return made[0]


def test_the_issuer_away(opened: Open, who: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "AGAIN", 0.05)
    who.away = True
    access = opened(who.url, wait=False)
    answer = ask(access, "/predict", **bearer(who.token()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    eventually(lambda: "does not answer" in access.problem)
    who.away = False
    eventually(lambda: ask(access, "/predict", **bearer(who.token())).status_code == 200)
    who.away = True
    assert ask(access, "/predict", **bearer(who.token(rsa("unknown")))).status_code == 401  # it makes it ask
    eventually(lambda: "The last known keys stay" in access.problem)
    assert ask(access, "/predict", **bearer(who.token())).status_code == 200
    who.away = False
    eventually(lambda: not access.problem)


def test_a_caller_who_gives_up_waiting_leaves_the_issuer_followed(
    opened: Open, who: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "AGAIN", 0.0)
    access = opened(who.url)
    new = rsa("second")
    scope = {"headers": [(b"authorization", f"Bearer {who.token(new)}".encode())], "client": ("192.0.2.1", 1)}

    async def give_up() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await access.admit(scope, Role.PREDICT)

    who.pause.clear()
    asyncio.run(give_up())
    who.pause.set()
    who.keys.append(new)
    eventually(lambda: ask(access, "/predict", **bearer(who.token(new))).status_code == 200)


def test_what_an_issuer_publishes_must_be_its_own(opened: Open, who: Issuer) -> None:
    for wrong, said in (
        ({"issuer": "https://elsewhere.example"}, "elsewhere.example"),
        ({"jwks_uri": "http://elsewhere.example/jwks"}, "https://"),
        ({"jwks_uri": "file:///etc/passwd"}, "https://"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "no key that counts"),
    ):
        right = dict(who.document)
        who.document |= wrong
        access = opened(who.url, wait=False)
        eventually(lambda told=said, one=access: told in one.problem)  # type: ignore[misc]
        assert ask(access, "/predict", **bearer(who.token())).status_code == 503
        who.document = right


def test_settings_that_would_open_too_far(tmp_path: Path) -> None:
    for given, said in (
        ({"oidc_issuer": "http://issuer.example", "oidc_audience": "tremplin"}, "https://"),
        ({"oidc_issuer": "https://issuer.example"}, "TREMPLIN_OIDC_AUDIENCE"),
        ({"oidc_issuer": "https://issuer.example", "oidc_audience": "changeme"}, "TREMPLIN_OIDC_AUDIENCE"),
    ):
        with pytest.raises(TremplinError, match=said):
            open_access(load_settings(root=tmp_path, environment="production", **given))


def test_an_address_that_forges_costs_no_signatures_and_known_tokens_go_on(
    opened: Open, who: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = opened(who.url)
    good, later = who.token(), who.token(sub="late")
    assert ask(access, "/predict", **bearer(good)).status_code == 200
    bad = who.token(aud="another")
    assert [ask(access, "/predict", **bearer(bad)).status_code for _ in range(61)][-2:] == [401, 429]
    assert ask(access, "/predict", **bearer(good)).status_code == 200
    assert ask(access, "/predict", **bearer(later)).status_code == 429
    assert ask(access, "/predict", client="192.0.2.9", **bearer(later)).status_code == 200


def test_a_token_is_not_the_key_of_that_name(opened: Open, who: Issuer, tmp_path: Path) -> None:
    key = add(load_settings(root=tmp_path).api_keys, "bob", (Role.PREDICT,), datetime.now(UTC))
    access = opened(who.url)
    by_key, by_token = (
        ask(access, "/predict", **bearer(sent)).json()["identity"] for sent in (key, who.token(sub="bob"))
    )
    assert (by_key, by_token) == ("bob", "token:bob")


def test_calls_without_a_credential_do_not_shut_out_tokens_from_their_address(
    opened: Open, who: Issuer
) -> None:
    access = opened(who.url)
    assert [ask(access, "/predict").status_code for _ in range(61)] == [401] * 60 + [429]
    assert ask(access, "/predict", **bearer(who.token())).status_code == 200
    assert ask(access, "/predict", **bearer("no.such.token")).status_code == 401
