"""Copy the releases that are live in a workspace, with their public key and ``live.json``, for an image to carry.

python k8s/releases.py .tremplin/demo/.tremplin DESTINATION
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tremplin.errors import TremplinError
from tremplin.live import Live, current
from tremplin.release import open_release
from tremplin.settings import load_settings
from tremplin.store import open_store


def collect(home: Path, destination: Path) -> list[str]:
    """The releases copied, the champion first. An empty store begins with that champion (``live.json``)."""
    settings = load_settings(home=home.resolve())
    known = current(open_store(settings), settings.pilot)
    if known is None:
        raise TremplinError(f"Nothing is live for the pilot {settings.pilot} in {home}: run make demo first.")
    live = known[1]
    carried = [r for r in (live.champion, live.challenger, live.previous) if r]
    destination.mkdir(parents=True)
    for release in dict.fromkeys(carried):
        open_release(settings.releases / release, settings.release_public_key, pilot=settings.pilot)
        shutil.copytree(settings.releases / release, destination / release)
    shutil.copyfile(settings.release_public_key, destination / "release.pub")
    # A rollout that is under way stays where it is: elsewhere the champion answers alone.
    seed = Live(champion=live.champion, previous=live.previous)
    (destination / "live.json").write_text(seed.model_dump_json(exclude_none=True) + "\n", "utf-8")
    return list(dict.fromkeys(carried))


def main() -> int:
    try:
        carried = collect(Path(sys.argv[1]), Path(sys.argv[2]))
    except TremplinError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    print(f"image: champion {carried[0]}" + "".join(f", with {r}" for r in carried[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
