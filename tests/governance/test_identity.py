"""Who somebody is comes from a key that somebody else enrolled: real keys, made by `cryptography` and by ssh-keygen."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from governance.authorship import authors_since
from governance.identity import NotEnrolled, end_enrolment, enrol, holder, identify, read_signers
from governance.keys import make_key, open_key
from governance.signatures import NAMESPACE, fingerprint, signing_key
from tremplin.errors import TremplinError
from tremplin.release import make_keys

ADA = "ada.berg@town.example"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MESSAGE = '{"action":"approval","text":"accordé à deux"}'.encode()
OPENSSH = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed here")


@pytest.fixture
def signers(tmp_path: Path) -> Path:
    return tmp_path / "allowed_signers"


@pytest.fixture
def ada(tmp_path: Path, signers: Path) -> Path:
    """Ada's key, enrolled."""
    key = tmp_path / "ada"
    enrol(signers, ADA, make_key(key))
    return key


def run(*command: object, **given: Any) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True, **given
    )
    return done.stdout


def keygen(path: Path, *, passphrase: str = "") -> Path:
    words = ("-q", "-t", "ed25519", "-N", passphrase, "-C", "somebody", "-f", path)
    run("ssh-keygen", *words)
    return path


def verified_by_openssh(signers: Path, signature: str, contact: str = ADA, message: bytes = MESSAGE) -> bool:
    """What an auditor does with OpenSSH alone."""
    file = signers.with_name("signature.sig")
    file.write_text(signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", contact, "-n", NAMESPACE, "-s", file]
    return subprocess.run(command, input=message, capture_output=True, check=False).returncode == 0


def test_a_key_says_who_its_holder_is(ada: Path, signers: Path) -> None:
    signatory = identify(ada, signers, NOW)
    assert signatory.contact == ADA
    key = signing_key(MESSAGE, signatory.sign(MESSAGE))
    assert key == open_key(ada).public
    assert holder(read_signers(signers), key, NOW) == ADA
    assert ada.stat().st_mode & 0o077 == 0


def test_a_signature_is_of_one_message_and_one_purpose(ada: Path, signers: Path) -> None:
    signature = identify(ada, signers, NOW).sign(MESSAGE)
    assert signing_key(MESSAGE + b" ", signature) is None
    lines = signature.splitlines()
    swapped = "\n".join([lines[0], lines[2], lines[1], *lines[3:]])
    for spoilt in (swapped, signature[:-60], signature.replace("SSH", "PGP"), "", "x" * 300):
        assert signing_key(MESSAGE, spoilt) is None
    assert signing_key(MESSAGE, signature) is not None


@OPENSSH
def test_openssh_verifies_what_we_sign_and_we_what_openssh_signs(
    tmp_path: Path, ada: Path, signers: Path
) -> None:
    signature = identify(ada, signers, NOW).sign(MESSAGE)
    assert verified_by_openssh(signers, signature)
    assert not verified_by_openssh(signers, signature, message=MESSAGE + b" ")
    assert not verified_by_openssh(signers, signature, contact="ines@town.example")
    theirs, file = keygen(tmp_path / "theirs"), tmp_path / "message"
    file.write_bytes(MESSAGE)
    for namespace, hashing, good in (
        (NAMESPACE, "sha512", True),
        (NAMESPACE, "sha256", True),
        ("git", "sha512", False),
    ):
        file.with_name("message.sig").unlink(missing_ok=True)
        words = ("-Y", "sign", "-n", namespace, "-O", f"hashalg={hashing}", "-f", theirs, file)
        run("ssh-keygen", *words)
        found = signing_key(MESSAGE, file.with_name("message.sig").read_text())
        assert (found == open_key(theirs).public) is good
    listed = run("ssh-keygen", "-l", "-f", theirs)
    assert fingerprint(open_key(theirs).public) in listed


@OPENSSH
def test_an_encrypted_key_signs_once_its_passphrase_is_given(
    tmp_path: Path, signers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keygen(tmp_path / "encrypted", passphrase="four words of hers")
    enrol(signers, ADA, tmp_path / "encrypted.pub")
    (tmp_path / "encrypted.pub").unlink()  # who it is must not depend on it
    answer = tmp_path / "answer"
    answer.write_text('#!/bin/sh\necho "$PASSPHRASE"\n')
    answer.chmod(0o700)
    monkeypatch.setenv("SSH_ASKPASS", str(answer))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("PASSPHRASE", "four words of hers")
    signatory = identify(key, signers, NOW)
    assert signatory.contact == ADA
    assert signing_key(MESSAGE, signatory.sign(MESSAGE)) == open_key(key).public
    monkeypatch.setenv("PASSPHRASE", "a guess")
    with pytest.raises(TremplinError, match=r"ssh-keygen did not sign with .*passphrase"):
        signatory.sign(MESSAGE)


@OPENSSH
def test_a_key_in_the_agent_signs_by_its_public_half(
    tmp_path: Path, signers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keygen(tmp_path / "held")
    enrol(signers, ADA, tmp_path / "held.pub")
    socket = tmp_path / "s"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE, text=True)
    try:
        assert agent.stdout is not None
        agent.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        signatory = identify(tmp_path / "held.pub", signers, NOW)
        run("ssh-add", key)
        key.unlink()
        assert signing_key(MESSAGE, signatory.sign(MESSAGE)) is not None
        run("ssh-add", "-D")
        with pytest.raises(TremplinError, match=r"ssh-keygen did not sign with .*held"):
            signatory.sign(MESSAGE)
    finally:
        agent.terminate()
        agent.communicate()


def test_a_key_that_nobody_enrolled_is_nobodys(tmp_path: Path, ada: Path, signers: Path) -> None:
    make_key(tmp_path / "stranger")
    with pytest.raises(TremplinError, match=r"Nobody enrolled the key SHA256:\S+\. The IT department does"):
        identify(tmp_path / "stranger", signers, NOW)
    with pytest.raises(TremplinError, match="Nobody enrolled"):
        identify(ada, tmp_path / "no_list", NOW)


@pytest.mark.parametrize(
    ("options", "at", "said"),
    [
        (
            'valid-before="20260601Z"',
            NOW,
            "the enrolment of the key .* of ada.* ended on 2026-06-01 00:00 UTC",
        ),
        ('valid-before="20260602Z"', NOW, None),
        ('valid-after="20260601130000Z"', NOW, "valid from 2026-06-01 13:00 UTC on, not before"),
        ('valid-after="202606011200Z"', NOW, None),
        ('namespaces="git,file"', NOW, "is enrolled for git, file, not for tremplin"),
        ('namespaces="git,tremplin",valid-before="20270101Z"', NOW, None),
        ("", NOW, None),
    ],
)
def test_an_enrolment_has_its_time_and_purpose(
    ada: Path, signers: Path, options: str, at: datetime, said: str | None
) -> None:
    signers.write_text(f"# kept by IT\n\n{ADA} {options} {open_key(ada).public} her laptop\n")
    if said is None:
        assert identify(ada, signers, at).contact == ADA
    else:
        with pytest.raises(TremplinError, match=f"(?i){said}"):
            identify(ada, signers, at)


def test_a_second_line_renews_an_enrolment_that_ended(ada: Path, signers: Path) -> None:
    key = open_key(ada).public
    signers.write_text(f'{ADA} valid-before="20260101Z" {key}\n{ADA} valid-after="20260301Z" {key}\n')
    assert identify(ada, signers, NOW).contact == ADA
    with pytest.raises(TremplinError, match=r"ended on 2026-01-01 .*; .* valid from 2026-03-01"):
        identify(ada, signers, NOW - timedelta(days=120))


def test_enrolling_until_a_day_is_understood_by_both(ada: Path, signers: Path) -> None:
    signers.unlink()
    enrol(signers, ADA, ada.with_name("ada.pub"), datetime.now(UTC) + timedelta(days=1))
    enrol(signers, ADA, ada.with_name("ada.pub"), read_signers(signers)[0].valid_before)
    assert len(signers.read_text().splitlines()) == 1
    assert identify(ada, signers, datetime.now(UTC)).contact == ADA
    if shutil.which("ssh-keygen"):
        assert verified_by_openssh(signers, open_key(ada).sign(MESSAGE))
    with pytest.raises(TremplinError, match="The enrolment of the key"):
        identify(ada, signers, datetime.now(UTC) + timedelta(days=2))


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("{ada} {key} her laptop", ['{ada} valid-before="20260601120000Z" {key} her laptop']),
        ('{ada} valid-before="20270101Z",namespaces="git,tremplin" {key}',
         ['{ada} namespaces="git,tremplin",valid-before="20260601120000Z" {key}']),
        ('{ada} VALID-AFTER="20260101Z",valid-before="20260501Z" {key}', None),  # it had ended
        ('{ada} namespaces="git" {key}', None),
        ('{ada} valid-after="20260701Z" {key}', []),  # it never began, and OpenSSH takes no end before its beginning
        ('{ada},bo@town.example namespaces="tremplin" {key}',
         ['{ada},bo@town.example namespaces="tremplin",valid-before="20260601120000Z" {key}']),
    ],
)  # fmt: skip
def test_an_enrolment_is_ended_in_its_line_and_in_no_other(
    ada: Path, signers: Path, line: str, left: list[str] | None
) -> None:
    key = open_key(ada).public
    others = [
        "# kept by IT",
        f"ines@town.example {open_key(make_key(ada.with_name('ines')).with_suffix('')).public}",
    ]
    filled = [text.format(ada=ADA, key=key) for text in ([line] if left is None else left)]
    last = f'{ADA} namespaces="tremplin",valid-before="20260101Z" {key}'  # a line that had ended
    signers.write_text("\n".join([*others, line.format(ada=ADA, key=key), last, ""]))
    signers.chmod(0o640)
    ended = end_enrolment(signers, ADA, None, NOW)
    assert signers.read_text() == "\n".join([*others, *filled, last, ""])
    assert bool(ended) == (left is not None)
    assert signers.stat().st_mode & 0o777 == 0o640
    assert end_enrolment(signers, ADA, fingerprint(key), NOW) == []
    with pytest.raises(NotEnrolled):
        identify(ada, signers, NOW)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed here")
def test_openssh_knows_an_enrolment_that_was_ended(ada: Path, signers: Path) -> None:
    signature = open_key(ada).sign(MESSAGE)
    assert verified_by_openssh(signers, signature)
    end_enrolment(signers, ADA, None, datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1))
    assert not verified_by_openssh(signers, signature)


@pytest.mark.parametrize("end", ["", " # her laptop", "\n", "\n# kept by IT", " her laptop\r\n", "\n\n"])
def test_a_line_is_added_behind_a_last_one_that_was_left_open(
    ada: Path, signers: Path, tmp_path: Path, end: str
) -> None:
    signers.write_bytes(f"{ADA} {open_key(ada).public}{end}".encode())
    enrol(signers, "ines@town.example", make_key(tmp_path / "ines"))
    assert [signer.contact for signer in read_signers(signers)] == [ADA, "ines@town.example"]
    assert identify(tmp_path / "ines", signers, NOW).contact == "ines@town.example"
    if shutil.which("ssh-keygen"):
        signature = open_key(tmp_path / "ines").sign(MESSAGE)
        assert verified_by_openssh(signers, signature, contact="ines@town.example")


@pytest.mark.parametrize(
    ("there", "until", "said"),
    [
        ("", "20260101", "without an end"),
        ('valid-before="20270101Z" ', "20260101", "until 2027-01-01 00:00 UTC"),
        ('namespaces="git,tremplin" ', "20260101", "without an end"),
        ('valid-before="20260101Z" ', "20260101", None),
        ('valid-before="20260101Z" ', "20270101", None),
        ('valid-before="20260101Z" ', None, None),
        ('namespaces="git" ', "20260101", None),
    ],
)
def test_an_end_that_a_line_before_it_would_outlive_is_refused(
    ada: Path, signers: Path, there: str, until: str | None, said: str | None
) -> None:
    signers.write_text(f"# kept by IT\n{ADA} {there}{open_key(ada).public}\n")
    before, public = signers.read_text(), ada.with_name("ada.pub")
    end = datetime.strptime(until, "%Y%m%d").replace(tzinfo=UTC) if until else None
    if said is None:
        enrol(signers, ADA, public, end)
        assert read_signers(signers)[-1].valid_before == end
        return
    advice = r'Write valid-before="20260101000000Z" among the options of that line'
    with pytest.raises(TremplinError, match=rf"allowed_signers:2 enrols the key of {ADA} {said}, .*{advice}"):
        enrol(signers, ADA, public, end)
    assert signers.read_text() == before


def test_what_does_not_stand_in_the_list_is_not_enrolled(ada: Path, tmp_path: Path) -> None:
    public = ada.with_name("ada.pub")
    with pytest.raises(TremplinError, match=r"/dev/null took the line of ada.* and does not hold it"):
        enrol(Path("/dev/null"), ADA, public)
    for path in (tmp_path, ada / "below a file"):
        with pytest.raises(TremplinError, match=r"The list of signers .* cannot be read or written: "):
            enrol(path, ADA, public)


def test_a_list_that_cannot_be_read_is_named(ada: Path, signers: Path, tmp_path: Path) -> None:
    with pytest.raises(
        TremplinError, match=r"The list of signers .* cannot be read or written: Is a directory"
    ):
        read_signers(tmp_path)
    signers.write_bytes(b"\xff\xfe" + signers.read_bytes())
    with pytest.raises(TremplinError, match="it is not UTF-8 text"):
        identify(ada, signers, NOW)
    signers.write_text(f"  # a comment as OpenSSH reads one\n{ADA} {open_key(ada).public} caf\u2028e\n")
    assert identify(ada, signers, NOW).contact == ADA


def test_a_key_is_one_persons(ada: Path, signers: Path) -> None:
    with pytest.raises(TremplinError, match=r"ada\.pub is the key of ada\.berg@town\.example: a key is one"):
        enrol(signers, "ines@town.example", ada.with_name("ada.pub"))
    signers.write_text(signers.read_text() + f"ines@town.example {open_key(ada).public}\n")
    with pytest.raises(
        TremplinError, match=r"is enrolled for ada\.berg@town\.example and ines@town\.example"
    ):
        identify(ada, signers, NOW)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("* ssh-ed25519 KEY", "'\\*' is no e-mail address, and patterns are nobody's name"),
        ("*@town.example ssh-ed25519 KEY", "patterns are nobody's name"),
        (f"{ADA} cert-authority ssh-ed25519 KEY", "the option cert-authority is not supported"),
        (f'{ADA} valid-before="soon" ssh-ed25519 KEY', "'soon' is no time such as"),
        (f"{ADA} ssh-ed25519 AAAA", "no public key"),
        ("nonsense", "it should say"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(ada: Path, signers: Path, line: str, said: str) -> None:
    good = signers.read_text()
    signers.write_text(good + line.replace("KEY", open_key(ada).public.split()[1]) + "\n")
    with pytest.raises(TremplinError, match=rf"allowed_signers:2 is no line of allowed_signers: .*{said}"):
        read_signers(signers)
    signers.write_text(
        good + "rsa@town.example ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB another kind is left alone\n"
    )
    assert [signer.contact for signer in read_signers(signers)] == [ADA]


def test_what_is_no_ed25519_key_is_refused_by_name(tmp_path: Path, signers: Path) -> None:
    (tmp_path / "letter").write_text("Dear all")
    with pytest.raises(TremplinError, match="letter is no key that can be read"):
        open_key(tmp_path / "letter")
    with pytest.raises(TremplinError, match=r"nothing cannot be read: .* Name your key with --key"):
        open_key(tmp_path / "nothing")
    with pytest.raises(TremplinError, match="is no contact"):
        enrol(signers, "Ada Berg", make_key(tmp_path / "ada"))
    with pytest.raises(TremplinError, match=r"letter is no public key of OpenSSH"):
        enrol(signers, ADA, tmp_path / "letter")
    if shutil.which("ssh-keygen"):
        run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "ecdsa")
        for file in ("ecdsa", "ecdsa.pub"):
            with pytest.raises(TremplinError, match=r"not an Ed25519 key|is no key|is no public key"):
                open_key(tmp_path / file)
    make_keys(tmp_path / "release.key", tmp_path / "release.pub")
    assert signing_key(MESSAGE, open_key(tmp_path / "release.key").sign(MESSAGE))


def test_git_says_who_changed_the_pilot_since(tmp_path: Path) -> None:
    def commit(name: str, mail: str, text: str, trailer: str = "") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        who = {
            "GIT_AUTHOR_NAME": "x",
            "GIT_AUTHOR_EMAIL": mail,
            "GIT_COMMITTER_NAME": "c",
            "GIT_COMMITTER_EMAIL": "c@ci",
        }
        given = {"cwd": tmp_path, "env": os.environ | who}
        run("git", "add", "-A", **given)
        run("git", "commit", "-qm", f"change\n\n{trailer}", **given)
        return run("git", "rev-parse", "HEAD", **given).strip()

    assert authors_since(tmp_path, "lamps", None, "0" * 40) == set()
    run("git", "init", "-q", tmp_path)
    first = commit("pilots/lamps/model.py", "noor@town", "1")
    other = commit("pilots/flights/model.py", "ines@town", "1")
    second = commit("pilots/lamps/pilot.yaml", "camille@town", "1", "Co-authored-by: Ada <ada@town>")
    workspace = tmp_path / ".tremplin" / "demo"
    workspace.mkdir(parents=True)
    for root in (tmp_path, workspace):
        assert authors_since(root, "lamps", None, second) == {"noor@town", "camille@town", "ada@town"}
        assert authors_since(root, "lamps", first, second) == {"camille@town", "ada@town"}
        assert authors_since(root, "lamps", first, other) == set()
        assert authors_since(root, "lamps", "f" * 40, first) == {"noor@town"}
    commit(".mailmap", "camille@town", "Nobody <nobody@town> <camille@town>\n")
    assert "camille@town" in authors_since(tmp_path, "lamps", first, second)
