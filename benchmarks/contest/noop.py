"""What a FastAPI endpoint costs that reads and validates a row and does nothing else: the yardstick.

The types are those of the contract, as the server uses them, but for the time: FastAPI hands pydantic what it has decoded, and
there a strict time cannot be text. uvicorn with uvloop and httptools, one worker.

    python -m benchmarks.contest.noop PORT
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NotRequired

from benchmarks.contest.contestant import Contestant

PILOT = Path(__file__).parents[2] / "pilots" / "flights"
NOOP = Contestant(
    name="noop",
    form="FastAPI, validates the same body, answers a constant",
    command=("python", "-m", "benchmarks.contest.noop", "{port}"),
    path="/predict",
    score=None,
    ready="/openapi.json",
)


def main() -> None:
    """Serve until told to stop."""
    import uvicorn
    from fastapi import Body, FastAPI
    from pydantic import AwareDatetime, ConfigDict
    from typing_extensions import TypedDict

    from tremplin.contract import load_contract

    fields: dict[str, Any] = {}
    for column in load_contract(PILOT / "contract.yaml").request_columns:
        kind: Any = AwareDatetime if column.logicalType == "timestamp" else column.value_type
        fields[column.name] = NotRequired[kind] if column.nullable else kind
    make: Any = TypedDict
    row_type = make("Row", fields)
    row_type.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)
    app = FastAPI()

    async def predict(row: Any) -> dict[str, int]:
        return {"columns": len(row)}

    predict.__annotations__["row"] = Annotated[row_type, Body()]
    app.post("/predict")(predict)
    uvicorn.run(
        app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
