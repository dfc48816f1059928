"""What depends on where the software runs: environment variables with the prefix ``TREMPLIN_``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tremplin.errors import TremplinError

WITHDRAWN = "withdrawn.txt"  # under home
API_KEYS = "keys/api-keys.json"  # the same


class Settings(BaseSettings):
    """Paths are absolute once loaded; what is not set lies under ``home``."""

    model_config = SettingsConfigDict(env_prefix="TREMPLIN_", extra="ignore", validate_default=True)

    root: Path = Field(
        default_factory=Path.cwd, description="the checkout or workspace with pilots/ and dvc.yaml"
    )
    home: Path = Field(
        default=Path(".tremplin"), description="state: store, MLflow, keys, releases; under root"
    )
    environment: Literal["development", "production"] = "development"
    pilot: str = "flights"

    store_url: SecretStr = Field(
        default=SecretStr(""), description="SQLAlchemy URL; default SQLite under home"
    )
    mlflow_tracking_uri: str = ""
    releases: Path = Path()
    signing_key: Path = Path()
    release_public_key: Path = Path()
    allowed_signers: Path = Field(
        default=Path(), description="whose key is whose, in OpenSSH's format; kept outside the repository"
    )
    withdrawn: Path = Field(
        default=Path(),
        description="keys and subjects who withdrew their consent, one a line; they are left out at ingestion",
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    live_poll_seconds: float = Field(default=2.0, gt=0)
    spool: Path = Field(
        default=Path(), description="what was answered, on its way to the database: a local disk"
    )
    spool_fsync: Literal["group", "interval", "never"] = "group"  # docs/adr/0013-spool.md: what each promises
    spool_max_mb: int = Field(
        default=2048, ge=8, description="MiB that the spools of one pilot may take together"
    )
    api_keys: Path = Field(default=Path(), description="hashes of the API keys that `tremplin key` makes")
    client_key: SecretStr = Field(
        default=SecretStr(""),
        description="the API key that commands send which ask a server: replay, compare",
    )
    oidc_issuer: str = Field(
        default="", description="address of who issues bearer tokens, as their `iss` has it"
    )
    oidc_audience: str = Field(default="", description="what their `aud` must name: this service")
    oidc_roles_claim: str = Field(
        default="roles", description="the claim that lists roles; a dot goes into an object"
    )
    rate_limit: str = Field(
        default="",
        description="rows an identity may ask for, such as 1200/minute, or none; default 60000/minute in production",
    )
    rate_limit_store: SecretStr = Field(
        default=SecretStr(""), description="redis://… where several processes count together; default memory"
    )
    tls_certificate: Path = Field(
        default=Path(), description="PEM file with the chain; with tls_key: serve HTTPS"
    )
    tls_key: Path = Path()
    commit: str = Field(
        default="", description="git commit of the code where there is no git, as in an image"
    )
    dirty: bool = Field(default=False, description="whether the code differed from that commit")

    @model_validator(mode="after")
    def _fill(self) -> Self:
        self.root = self.root.resolve()
        self.home = (self.root / self.home).resolve()
        if not self.store_url.get_secret_value():
            self.store_url = SecretStr(f"sqlite:///{self.home / 'store.db'}")
        self.mlflow_tracking_uri = self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow.db'}"
        for name, default in (
            ("releases", "releases"),
            ("signing_key", "keys/release.key"),
            ("release_public_key", "keys/release.pub"),
            ("allowed_signers", "keys/allowed_signers"),
            ("withdrawn", WITHDRAWN),
            ("spool", "spool"),
            ("api_keys", API_KEYS),
        ):
            given: Path = getattr(self, name)
            setattr(self, name, (self.root / given).resolve() if given != Path() else self.home / default)
        for name in ("tls_certificate", "tls_key"):
            if (given := getattr(self, name)) != Path():
                setattr(self, name, (self.root / given).resolve())
        return self


def load_settings(**given: object) -> Settings:
    """Settings from the environment, with what is ``given`` on top.

    Raises:
        TremplinError: a variable does not fit; it is named.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValueError as error:
        found = error.errors() if hasattr(error, "errors") else []
        problems = "; ".join(
            f"TREMPLIN_{str(f['loc'][0]).upper()}: {f['msg']}, got {f['input']!r}" for f in found
        )
        raise TremplinError(
            f"A setting does not fit. {problems or error}. Mend the environment variable."
        ) from None
