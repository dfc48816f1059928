"""A column more: in the source of a copied pilot, in its contract and in its features."""

from __future__ import annotations

import yaml

from tests.results import Result

SOURCE = '''

{helper}
_without_{name} = fetch


def fetch(start: datetime, end: datetime, known_at: datetime | None = None) -> pd.DataFrame:
    """With a column more."""
    without, rows = _without_{name}, _without_{name}(start, end, known_at)
    chance = pd.util.hash_array(rows["{key}"].to_numpy(object), hash_key="{name:_<16}") / 2.0**64
    positive = rows["{target}"].eq(True).fillna(False).to_numpy(dtype=bool)
    rows["{name}"] = {values}
    return rows
'''


def add_column(result: Result, name: str, values: str, helper: str = "") -> None:
    """Add a numeric feature; it may be missing.

    Args:
        name: at most 16 letters.
        values: Python's words for it, of ``rows`` (what the source gave), ``positive`` (bool, shape (n,)), ``chance`` (of each
            key, uniform in [0, 1), shape (n,)), ``start``, ``end`` and ``known_at`` (what was asked of the source), ``without``
            (the source as it was), ``np``, ``pd``, and what else is in the pilot's ``source.py``.
        helper: a definition that ``values`` needs.
    """
    contract, path = result.pilot.contract, result.path("contract.yaml")
    content = yaml.safe_load(path.read_text("utf-8"))
    purpose = result.pilot.charter.gdpr.purposes[0]
    content["schema"][0]["properties"].append(
        {
            "name": name,
            "logicalType": "number",
            "description": "A column more",
            "tags": ["feature"],
            "classification": "internal",
            "customProperties": [{"property": "purpose", "value": purpose}],
            "examples": [1.0],
        }
    )
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    code = SOURCE.format(name=name, key=contract.key, target=contract.target, values=values, helper=helper)
    result.append("source.py", code)
    result.append("features.py", f'\nNUMBERS.append("{name}")\n')
