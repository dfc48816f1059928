"""From answers to the tensors of a response."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from serving.answers import AMOUNT
from serving.inference_protocol.binary import as_bytes, malformed
from serving.inference_protocol.request import Request
from tremplin.contract import Contract
from tremplin.target import Task


@dataclass(frozen=True)
class Output:
    """A field of the answers, as a tensor of shape (n,)."""

    name: str
    datatype: str
    about: str

    def values(self, answers: list[dict[str, Any]]) -> list[Any]:
        """Its elements."""
        given = [answer.get(self.name) for answer in answers]
        if self.datatype == "FP64":
            return [math.nan if value is None else float(value) for value in given]
        if self.datatype == "INT8":
            return [-1 if value is None else int(value) for value in given]
        return [_text(value) for value in given]


def outputs_of(contract: Contract) -> dict[str, Output]:
    """What can be asked for, by name, in the order in which it is sent."""
    if contract.task is Task.CLASSIFICATION:
        target = [
            Output("score", "FP64", "the probability; NaN where nothing was answered"),
            Output("decision", "INT8", "1 or 0: whether it reaches the threshold; -1 where a person decides"),
        ]
    else:
        unit = contract.column(contract.target).unit
        target = [
            Output(
                AMOUNT, "FP64", f"the amount{f' in {unit}' if unit else ''}; NaN where nothing was answered"
            )
        ]
    texts = {
        "prediction_id": "names the answer in the log",
        "release": "the release that answered",
        "cohort": "champion, challenger or stopped",
        "excluded": "why the model does not answer such a row; empty where it does",
        "review": "why a person looks at the answer; empty where nobody has to",
        "out_of_range": "features outside of what training saw, with commas between",
    }
    return {
        one.name: one for one in [*target, *(Output(name, "BYTES", about) for name, about in texts.items())]
    }


def response(
    request: Request, contract: Contract, answers: list[dict[str, Any]], head: dict[str, Any]
) -> tuple[bytes, int | None]:
    """The body of a response, and where its JSON ends if binary tensors follow.

    Args:
        head: what is said beside the outputs.
    """
    known = outputs_of(contract)
    wanted = dict.fromkeys(known, request.binary_outputs) if request.outputs is None else request.outputs
    told, parts = [], []
    for name, binary in wanted.items():
        values = known[name].values(answers)
        tensor: dict[str, Any] = {"name": name, "shape": [len(values)], "datatype": known[name].datatype}
        if binary:
            part = as_bytes(known[name].datatype, values)
            tensor["parameters"] = {"binary_data_size": len(part)}
            parts.append(part)
        else:
            tensor["data"] = values
        told.append(tensor)
    content = to_json(head | {"outputs": told}, inf_nan_mode="null")
    return (b"".join([content, *parts]), len(content)) if parts else (content, None)


def refuse_unknown_outputs(request: Request, contract: Contract) -> None:
    """Before anything is answered.

    Raises:
        Problem: 400 naming the output that there is not.
    """
    known = outputs_of(contract)
    if strange := sorted((request.outputs or {}).keys() - known.keys()):
        raise malformed(f"There is no output {strange[0]!r:.100}; there are {', '.join(known)}.")


def _text(value: Any) -> str:
    return "" if value is None else ",".join(value) if isinstance(value, list) else str(value)
