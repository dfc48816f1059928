"""Who changed a pilot, as git knows it: the e-mail addresses of the commits, which an approver's must not be among."""

from __future__ import annotations

import re
from pathlib import Path

from tremplin.git import git

ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")


def authors_since(root: Path, pilot: str, since: str | None, until: str) -> set[str]:
    """Addresses of authors and co-authors of the commits that changed ``pilots/<pilot>`` after ``since``, up to ``until``.

    Args:
        root: the checkout, or a workspace within it.
        since: commit of the last approved version; None, or one that git does not have: from the beginning.

    Where git does not know ``until`` (an image, a copied folder) nobody is named: the charter's authors are all there is.
    """
    if since and git(root, "cat-file", "-e", f"{since}^{{commit}}") is None:
        since = None
    # The address as it was committed: .mailmap is a file that the author may edit.
    form = "--format=%ae%n%(trailers:key=Co-authored-by,valueonly)"
    commits = f"{since}..{until}" if since else until
    said = git(root, "log", form, "--end-of-options", commits, "--", f":(top)pilots/{pilot}")
    return set(ADDRESS.findall(said or ""))
