"""Names as a contract allows them, from what a file calls its columns."""

from __future__ import annotations

import re
import unicodedata

from tremplin.column import OUTPUTS


def contract_names(originals: list[str]) -> list[str]:
    """Names that a contract allows: small ASCII letters, digits and _, a letter first, each once, no model's output."""
    names: list[str] = []
    for original in originals:
        name = plain(original) or "column"
        name = name if name[0].isalpha() and name not in OUTPUTS else f"c_{name}"
        unique, count = name, 2
        while unique in names:
            unique, count = f"{name}_{count}", count + 1
        names.append(unique)
    return names


def plain(text: str) -> str:
    """Small ASCII letters and digits, _ between the words."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", ascii_text)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")
