"""``image``: the releases that are live become a container image, without a container engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tremplin.commands.context import AsJson, context, print_json
from tremplin.errors import TremplinError

BASE = "127.0.0.1:5000/tremplin/serving-base:dev"


def image(
    ctx: typer.Context,
    *,
    base: Annotated[
        str, typer.Option(help="The server without a model, as `make image-base` pushes it.")
    ] = BASE,
    to: Annotated[str | None, typer.Option(help="Where to push: REGISTRY/NAME:TAG.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Or a file to write, an OCI archive for a site without a registry.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put the releases that are live on the server's image, as one layer; the same on the same base give the same digest.

    Example: `tremplin image --to registry.example:5000/tremplin/serving:7`, or `tremplin image --output serving.tar`
    """
    import tempfile

    from pipelines.imaging.archive import write_archive
    from pipelines.imaging.carried import layer_of, live_releases
    from pipelines.imaging.image import put_on
    from pipelines.imaging.registry import Repository

    if (to is None) is (output is None):
        raise TremplinError("Say where the image goes: --to REGISTRY/NAME:TAG, or --output FILE.tar.")
    given = context(ctx)
    carried = live_releases(given.settings, given.store)
    below = Repository(base)
    made = put_on(below.base(), carried, layer_of(carried))
    if to is not None:
        with tempfile.TemporaryDirectory() as folder:
            target = Repository(to)
            target.push(made, below, Path(folder))
        said = f"{target.host}/{target.name}@{made.digest}"
    elif output is not None:
        write_archive(output, made, below, f"tremplin/serving:{carried.champion.id}")
        said = str(output)
    else:
        raise AssertionError("one of them is given")
    if as_json:
        print_json(
            {
                "image": said,
                "digest": made.digest,
                "layer_bytes": len(made.layer.content),
                "releases": [release.id for release in carried.releases],
            }
        )
        return
    others = "".join(f", with {release.id}" for release in carried.releases[1:])
    typer.echo(f"{said}  champion {carried.champion.id}{others}")
    if to is None:
        typer.echo(f"digest {made.digest}")
