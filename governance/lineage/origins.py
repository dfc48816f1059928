"""What a model was made from: code, rows, contract and charter; each compared with what git, DVC and MLflow keep of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from governance.lineage.commits import files_at
from governance.lineage.links import Link, compared
from governance.lineage.run_files import Lock, RunFiles, md5, sha256_of
from governance.origin import origin_of
from tremplin.lock import md5_by_dvc
from tremplin.release import Manifest, Release, sha256
from tremplin.workspace import CODE, cached

Tags = Mapping[str, str]
NO_LOCK = "cannot be compared without the run's dvc.lock"


def code(root: Path, manifest: Manifest, tags: Tags, lock: Lock | None) -> Link:
    """The commit: the code that the lock names, file by file. Code that was dirty may differ from it and says so."""
    told = (tags.get("tremplin.commit"), tags.get("tremplin.dirty"))
    same = told == (manifest.commit, str(manifest.dirty).lower())
    named = {} if lock is None else {p: h for p, h in lock.inputs.items() if p.partition("/")[0] in CODE}
    there = files_at(root, manifest.commit, named)
    kept = there or {}
    differing = [path for path, content in kept.items() if md5(content) != named[path]]
    missing = sorted(set(named) - set(kept)) if there is not None else []
    said = f"not the commit's: {', '.join(differing)}" if differing else None
    return compared(
        "commit",
        manifest.commit,
        f"the {len(named)} files of code that the lock names are the commit's, by DVC's hash",
        wrong=[
            None if same else "the run names another commit",
            None if manifest.dirty else said,
        ],
        unknown=[
            None if lock else NO_LOCK,
            "git does not have this commit here: only release and run agree" if there is None else None,
            f"dirty, {said}" if manifest.dirty and said else None,
            f"not in the commit at all: {', '.join(missing)}" if missing else None,
        ],
    )


def data(root: Path, manifest: Manifest, tags: Tags, lock: Lock | None, files: RunFiles) -> Link:
    """The snapshot: named by DVC's hash in the lock, and by SHA-256 in the release; both are those of one file."""
    named = "" if lock is None else lock.inputs.get(f"data/{manifest.pilot}/snapshot.parquet", "")
    kept = cached(root, named)
    there = bool(named) and kept.is_file()
    facts, noted = files.read("data/snapshot.json"), tags.get("tremplin.snapshot_facts")
    return compared(
        "data",
        manifest.data_hash,
        f"the lock names the rows, and DVC's cache has them: both hashes computed again{_where_from(facts, manifest)}",
        wrong=[
            None if tags.get("tremplin.data") == manifest.data_hash else "the run names other rows",
            None if lock is None or named else "the lock names no rows",
            "the run's tag and its lock name other rows" if named and tags.get("tremplin.data_md5") != named else None,
            "DVC's cache has other rows under the hash in the lock" if there and md5_by_dvc(kept) != named else None,
            "the rows that the lock names are not the release's" if there and sha256(kept) != manifest.data_hash else None,
            "the run's data/snapshot.json was changed" if noted and (facts is None or sha256_of(facts) != noted) else None,
        ],
        unknown=[
            None if lock else NO_LOCK,
            f"only release, run and lock agree: the rows are not in DVC's cache {kept}" if named and not there else None,
        ],
    )  # fmt: skip


def contract(release: Release, tags: Tags, lock: Lock | None, files: RunFiles) -> Link:
    """``contract.yaml``: of the release, of the run, and of the lock."""
    hashed = release.manifest.contract_hash
    logged = files.read("contract.yaml")
    named = None if lock is None else lock.inputs.get(f"pilots/{release.manifest.pilot}/contract.yaml")
    return compared(
        "contract",
        hashed,
        "the release's contract.yaml and the run's, hashed again; the lock names the same",
        wrong=[
            None if release.manifest.files["contract.yaml"] == hashed else "the release's file is another",
            None if tags.get("tremplin.contract") == hashed else "the run names another",
            "the run has no contract.yaml" if logged is None else None,
            None if logged is None or sha256_of(logged) == hashed else "the run's contract.yaml is another",
            None if lock is None or logged is None or md5(logged) == named else "the lock names another",
        ],
        unknown=[None if lock else NO_LOCK],
    )


def charter(root: Path, manifest: Manifest, tags: Tags, files: RunFiles) -> Link:
    """``pilot.yaml`` on the run: the commit's, or, where the code was dirty, the one that was recorded."""
    path = f"pilots/{manifest.pilot}/pilot.yaml"
    logged, noted = files.read("pilot.yaml"), tags.get("tremplin.pilot_file")
    if logged is None:
        return Link(name="charter", value=path, verified=False, detail="the run has no pilot.yaml")
    hashed, committed = sha256_of(logged), (files_at(root, manifest.commit, [path]) or {}).get(path)
    of_commit = committed == logged
    return compared(
        "charter",
        hashed,
        f"the run's pilot.yaml is {'that of the commit' if of_commit else 'the one that was recorded, hashed again'}",
        wrong=[
            "the run's pilot.yaml was changed after it was recorded" if noted not in (None, hashed) else None,
            None if committed is None or of_commit or manifest.dirty else "the run's pilot.yaml is not the commit's",
        ],
        unknown=[None if of_commit or noted else "neither git nor the run says what it was when it was recorded"],
    )  # fmt: skip


def _where_from(content: bytes | None, manifest: Manifest) -> str:
    """Window, rows and sources of the snapshot, as the run keeps them; empty where it keeps those of another, or none."""
    try:
        facts = json.loads(content or b"{}")
        return f"; {origin_of(facts)}" if facts["sha256"] == manifest.data_hash else ""
    except (ValueError, KeyError, TypeError):
        return ""
