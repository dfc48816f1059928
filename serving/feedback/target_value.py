"""A value of the target as people and programs say it: yes or no, or an amount in the unit of the contract."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from serving.request_model import expected
from tremplin.column import Column
from tremplin.contract import Contract
from tremplin.target import Task


def target_type(contract: Contract) -> Any:
    """The type of a known target, for pydantic: true, false, 0 or 1; or an amount within the contract's range."""
    column = _known(contract)
    more: dict[str, Any] = {"unit": column.unit} if column.unit else {}
    info = Field(description=column.description, json_schema_extra=more)
    if contract.task is Task.CLASSIFICATION:
        return Annotated[Annotated[bool, Field(strict=True)] | Literal[0, 1], info]
    return Annotated[column.value_type, info]


def target_words(contract: Contract) -> str:
    """The same in words."""
    return "true or false (or 1 or 0)" if contract.task is Task.CLASSIFICATION else expected(_known(contract))


def _known(contract: Contract) -> Column:
    """The target where it is known: what may be missing in a table of events is not missing in an outcome."""
    return contract.column(contract.target).model_copy(update={"required": True})
