"""How a file writes numbers as text, and what has to go before Python reads them."""

from __future__ import annotations

import re

import pandas as pd

UNITS = "%$€£"  # before or behind a number
SPACES = " \u00a0\u202f"
QUOTES = "'\u2019"
GROUPS = {",": ",", ".": ".", "'": QUOTES, " ": SPACES}  # what may part thousands, and how it is written
WHOLE = r"0|-?[1-9]\d{0,14}"  # with a leading zero it is a code
LIKE_NUMBER = (  # to a person's eye
    rf"[{UNITS}(<>+-]*\d+(?:[.,{QUOTES}{SPACES}]\d{{3}})*(?:[.,]\d*)?(?:[eE][+-]?\d+)?[{SPACES}]*[{UNITS})]*"
)
LIKE_TIME = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(?:\d{2})?)(?:\D.*)?"
MOSTLY = 0.5  # of the different values


def number(decimal: str) -> str:
    """Pattern of a number with the file's ``decimal`` sign; no leading zero, that is a code."""
    point = re.escape(decimal)
    return rf"[+-]?(?:(?:0|[1-9]\d*)(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d{{1,2}})?"


def decimal_sign(columns: list[pd.Series], separator: str) -> str:
    """A comma where whole columns are written with it and none with a point, in a file that it does not separate.

    Args:
        columns: of each, its different values.
    """
    bare = [_without_unit(different)[0] for different in columns]
    comma = separator != "," and any(_fractions(different, ",") for different in bare)
    return "," if comma and not any(_fractions(different, ".") for different in bare) else "."


def signs(different: pd.Series, decimal: str) -> str | None:
    """Characters without which every value is a number; None where some value is none.

    A unit has to stand in every value, and what parts thousands has to be unmistakable.

    Args:
        different: different values of a column, text.
        decimal: the file's decimal sign.
    """
    bare, unit = _without_unit(different)
    if bare.str.fullmatch(number(decimal)).all():
        return unit
    for look, written in GROUPS.items():
        if look != decimal and _grouped(bare, written, decimal):
            return _present(unit + written, different)
    return None


def plain(values: pd.Series, signs: str, decimal: str) -> pd.Series:
    """Text as Python reads numbers."""
    bare = values.str.translate(str.maketrans("", "", signs)) if signs else values
    return bare if decimal == "." else bare.str.replace(decimal, ".", regex=False)


def doubt(different: pd.Series) -> str | None:
    """Why a column that is taken as text may be meant as numbers or times; codes with a leading zero are not."""
    for what, form, plainly in (("number", LIKE_NUMBER, "1234.5"), ("time", LIKE_TIME, "2013-07-01")):
        alike = different.str.fullmatch(form)
        if alike.mean() > MOSTLY and not different.str.match(r"0\d+$").any():
            some = ", ".join(map(repr, (different if alike.all() else different[~alike]).head(3)))
            return (
                f"taken as text, for not every value has the form of a {what} that can mean one thing only, such as {some}; "
                f"write it as {plainly} if it is one"
            )
    return None


def _fractions(different: pd.Series, sign: str) -> bool:
    """Whether a column holds nothing but numbers, some of them with this decimal sign."""
    if not different.str.fullmatch(number(sign)).all() or not different.str.contains(sign, regex=False).any():
        return False
    return not _grouped(different, sign, ",.".replace(sign, ""))


def _grouped(different: pd.Series, written: str, decimal: str) -> bool:
    """Whether thousands are parted so, and it can be nothing else.

    568,770 alone may be a fraction with three digits, and 732 829 320 a code. Two groups, a decimal sign behind one, or a
    group that ends in 0 beside whole numbers without any are no fractions; codes have one length.
    """
    sign, point = f"[{re.escape(written)}]", re.escape(decimal)
    if not different.str.fullmatch(rf"[+-]?(?:0|[1-9]\d{{0,2}}(?:{sign}\d{{3}})*)(?:{point}\d+)?").all():
        return False
    parted = different.str.contains(sign)
    if not parted.any() or different.str.len().nunique() == 1:
        return False
    if written not in (",", "."):
        return True
    no_fraction = different.str.contains(rf"{sign}\d{{3}}(?:{sign}|{point})").any()
    ends_in_zero = different.str.contains(rf"{sign}\d\d0$").any()
    return bool(no_fraction or (ends_in_zero and different[~parted].str.fullmatch(WHOLE).any()))


def _without_unit(different: pd.Series) -> tuple[pd.Series, str]:
    """The values without the one unit that all of them have, and its characters; "" where there is none."""
    parts = different.str.extract(
        rf"(?s)^([+-]?)([{UNITS}]?)[{SPACES}]*(.*?)[{SPACES}]*([{UNITS}]?)$"
    ).fillna("")
    units = set(parts[1] + parts[3])
    if len(units) != 1 or units == {""}:
        return different, ""
    return parts[0] + parts[2], _present(units.pop() + SPACES, different)


def _present(characters: str, different: pd.Series) -> str:
    return "".join(
        character for character in characters if different.str.contains(character, regex=False).any()
    )
