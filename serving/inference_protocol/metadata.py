"""What the protocol's clients ask before they ask for answers: which server, which model, which tensors."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from serving.inference_protocol.columns import datatypes
from serving.inference_protocol.outputs import outputs_of
from serving.live_watch import State
from serving.problems import Problem
from serving.request_model import MAX_ROWS, expected
from tremplin.column import Column

MISSING = {"BYTES": "an empty element", "FP64": "NaN"}


def server() -> dict[str, Any]:
    """Metadata of the server."""
    return {"name": "tremplin", "version": version("tremplin"), "extensions": ["binary_tensor_data"]}


def versions(state: State) -> dict[str, str]:
    """The releases that may be named, by identity and by their version in the registry: the champion's, then the challenger's."""
    found: dict[str, str] = {}
    for identity in (state.live.champion, state.live.challenger):
        if identity is not None and identity in state.releases:
            found.setdefault(identity, identity)
            found.setdefault(str(state.releases[identity].release.manifest.model_version), identity)
    return found


def named(state: State, pilot: str, name: str, asked: str | None) -> str:
    """The identity of the release that a path names; without a version the champion's.

    A version says what the caller expects to be live. Who answers a row is drawn for its subject, whatever the path says: the
    output ``release`` tells.

    Raises:
        Problem: 404, another model, or a version that is not live.
    """
    if name != pilot:
        raise Problem(404, "There is no such model", f"This server's model is {pilot}; got {name[:100]!r}.")
    if asked is None:
        return state.live.champion
    known = versions(state)
    if asked not in known:
        detail = f"Version {asked[:100]!r} of {pilot} is not live; {' and '.join(known)} are."
        raise Problem(404, "There is no such version", detail)
    return known[asked]


def model(state: State, pilot: str) -> dict[str, Any]:
    """Metadata of the model: inputs of the champion's contract, by which callers write."""
    contract = state.champion.contract
    return {
        "name": pilot,
        "versions": list(dict.fromkeys(versions(state).values())),
        "platform": "tremplin_onnx",
        "inputs": [_input(column) for column in contract.request_columns],
        "outputs": [
            {
                "name": one.name,
                "datatype": one.datatype,
                "shape": [-1],
                "parameters": {"description": one.about},
            }
            for one in outputs_of(contract).values()
        ],
        "parameters": {"max_rows": MAX_ROWS, "description": contract.description.usage},
    }


def _input(column: Column) -> dict[str, Any]:
    first, *others = datatypes(column)
    more: dict[str, Any] = {"description": column.description, "expected": expected(column)}
    if column.unit:
        more["unit"] = column.unit
    if others:
        more["also"] = ", ".join(others)
    if column.nullable:
        more["missing"] = f"{MISSING[first]} (null in JSON), or no input of that name"
    return {"name": column.name, "datatype": first, "shape": [-1], "parameters": more}
