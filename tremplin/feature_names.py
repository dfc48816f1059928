"""The features of a pilot by kind, for its own code: what the contract says is written once."""

from __future__ import annotations

from pathlib import Path


def feature_names(file: str) -> tuple[list[str], list[str]]:
    """Names of the text features and of the numeric ones, each in the order of the ``contract.yaml`` beside ``file``."""
    from tremplin.contract import load_contract

    features = load_contract(Path(file).with_name("contract.yaml")).features
    return [f.name for f in features if not f.numeric], [f.name for f in features if f.numeric]
