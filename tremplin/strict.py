"""What every file that a person writes is loaded into: nothing unknown, nothing changed later, every fault at once."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class Strict(BaseModel):
    """Unknown keys are faults; values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def refuse(faults: Sequence[str]) -> None:
    """Called by a validator: names every fault, where a ValueError could name one.

    Raises:
        ValidationError: there is at least one; pydantic adds the place.
    """
    if faults:
        details = [
            InitErrorDetails(type=PydanticCustomError("value_error", "{fault}", {"fault": fault}), input=None)
            for fault in faults
        ]
        raise ValidationError.from_exception_data("faults", details)
