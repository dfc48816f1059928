"""Keys that people sign with: files of OpenSSH, encrypted or not, and keys that the ssh-agent holds."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from governance.signatures import KIND, NAMESPACE, line_of, pair, raw_of, sign, take
from tremplin.draft import write_private
from tremplin.errors import TremplinError

KEY_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True)
class Key:
    """A key that can sign; where its private half lies is not told."""

    public: str  # ssh-ed25519 AAAA…
    sign: Callable[[bytes], str]  # a message -> its armored signature


def open_key(path: Path) -> Key:
    """An Ed25519 key: a private key of OpenSSH or in PEM, or a ``.pub`` whose private half the ssh-agent holds.

    What is encrypted or with the agent is signed by ``ssh-keygen``, which asks for the passphrase itself.

    Raises:
        TremplinError: there is no such file, or it is not an Ed25519 key.
    """
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise TremplinError(
            f"The key {path} cannot be read: {error.strerror}. Name your key with --key; "
            "`ssh-keygen -t ed25519` makes one."
        ) from None
    if content.startswith(b"ssh-"):
        return _with_ssh_keygen(path, public_line(content.decode("utf-8", "replace"), path))
    try:
        openssh = b"BEGIN OPENSSH PRIVATE KEY" in content
        load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
        private = load(content, password=None)
    except TypeError:  # encrypted
        return _with_ssh_keygen(path, _public_half(content, path))
    except ValueError as error:
        raise TremplinError(
            f"{path} is no key that can be read ({error}). Name a private key of OpenSSH."
        ) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise _not_ed25519(path)
    return Key(line_of(raw_of(private.public_key())), lambda message: sign(message, private))


def make_key(path: Path) -> Path:
    """Make a key pair ``path`` and ``path.pub`` where there is none; the path of the public half."""
    public = path.with_name(path.name + ".pub")
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        path.parent.mkdir(parents=True, exist_ok=True)
        public.write_text(line_of(raw_of(key.public_key())) + "\n", "ascii")
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        write_private(path, private)  # last: where it is, the pair is whole
    return public


def public_line(text: str, path: Path) -> str:
    """The key of a ``.pub`` file, without its comment.

    Raises:
        TremplinError: it is not an Ed25519 key.
    """
    words = text.split()
    try:
        kind, rest = take(base64.b64decode(words[1], validate=True))
        raw, rest = take(rest)
    except (IndexError, ValueError):
        raise TremplinError(
            f"{path} is no public key of OpenSSH. Name the .pub file that ssh-keygen made."
        ) from None
    if kind != KIND or words[0] != KIND.decode() or len(raw) != 32 or rest:
        raise _not_ed25519(path)
    return line_of(raw)


def release_line(path: Path) -> str | None:
    """The public line of the key that releases are signed with, a PEM file; None where there is none."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError):
        return None
    return line_of(raw_of(key)) if isinstance(key, Ed25519PublicKey) else None


def _with_ssh_keygen(path: Path, public: str) -> Key:
    def signed(message: bytes) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "statement"  # a file, because ssh-keygen asks for a passphrase on its input
            file.write_bytes(message)
            command = [
                "ssh-keygen",
                "-q",
                "-Y",
                "sign",
                "-n",
                NAMESPACE,
                "-f",
                str(path.expanduser()),
                str(file),
            ]
            try:
                subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
                return file.with_suffix(".sig").read_text("ascii")
            except FileNotFoundError:
                raise TremplinError(
                    f"{path} is encrypted or with the ssh-agent: signing with it needs OpenSSH's ssh-keygen."
                ) from None
            except subprocess.CalledProcessError as error:
                raise TremplinError(
                    f"ssh-keygen did not sign with {path}: {error.stderr.strip() or 'no reason given'}."
                ) from None

    return Key(public, signed)


def _public_half(content: bytes, path: Path) -> str:
    """The public half of an encrypted private key, which OpenSSH leaves readable."""
    armored = re.search(rb"BEGIN OPENSSH PRIVATE KEY-----(.+?)-----END", content, re.DOTALL)
    if armored is None:
        raise TremplinError(f"{path} is encrypted, and not in OpenSSH's format: ssh-keygen cannot use it.")
    rest = base64.b64decode(armored[1])[len(KEY_MAGIC) :]
    for _cipher_derivation_options in range(3):
        _, rest = take(rest)
    kind, raw = pair(take(rest[4:])[0])  # behind the number of keys, which is 1
    if kind != KIND:
        raise _not_ed25519(path)
    return line_of(raw)


def _not_ed25519(path: Path) -> TremplinError:
    return TremplinError(f"{path} is not an Ed25519 key. `ssh-keygen -t ed25519` makes one.")
