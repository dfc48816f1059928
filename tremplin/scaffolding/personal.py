"""Columns that seem to say something about a person, by their name, their description and what they hold. A person confirms.

A name is read token by token. Surveys abbreviate: DEAR is difficulty hearing, RAC1P the race. Such tokens are made by rule (a
"difficulty" before a sense or an ability), or are those of the large codebooks (the American census, its IPUMS form, NCHS and
BRFSS on health, the European Social Survey); where a token could be anything, it counts only for a column of few kinds, as
coded answers are. A code of no such form (Q17, PH010) says nothing, and only a description or its values can give it away.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

Content = Callable[[pd.Series], bool]
DIFFERENT = 20  # values below which they are kinds rather than people
KINDS = 12  # different values that a coded answer may have
SAMPLE = 2000  # different values that are looked at

FIRST_NAMES = frozenset((Path(__file__).parent / "static" / "first_names.txt").read_text("utf-8").split())


@dataclass(frozen=True)
class Suspicion:
    """What a column seems to be, and why."""

    what: str
    classification: Literal["personal", "special"]
    because: str
    example: str  # made up: a contract that is in git holds nobody's data


@dataclass(frozen=True)
class _Rule:
    what: str
    name: str  # pattern of a part of the name, between underscores
    example: str
    content: Content | None = None
    classification: Literal["personal", "special"] = "personal"
    codes: str | None = None  # pattern of a part of the name, believed of a column of few kinds alone

    def fits(self, name: str) -> bool:
        """Whether a part of the name, or of a description written as one, is what the rule looks for."""
        return _part(self.name, name)


def suspicion(name: str, values: pd.Series, *, time: bool, description: str = "") -> Suspicion | None:
    """What a column seems to say about a person; None: nothing is seen.

    Args:
        name: as the contract has it.
        description: where the file has one, written as a name. It is read for special categories alone: that a column is
            about a street does not make it somebody's.
    """
    different = values.dropna().drop_duplicates().head(SAMPLE)
    if time:
        rules, text = [_BIRTH], different
    else:
        rules, text = [*_RULES, _BIRTH], different.astype("str").str.strip()
    for rule in rules:
        coded = rule.codes is not None and len(different) <= KINDS and _part(rule.codes, name)
        reasons = {
            "by its name": rule.fits(name) or coded,
            "by its description": rule.classification == "special" and rule.fits(description),
            "by what it holds": rule.content is not None and len(text) > 0 and rule.content(text),
        }
        because = next((reason for reason, found in reasons.items() if found), None)
        if because:
            return Suspicion(rule.what, rule.classification, because, rule.example)
    return None


def _part(form: str, name: str) -> bool:
    return re.search(rf"(?:^|_)(?:{form})(?:_|$)", name) is not None


def _mostly(form: str, share: float = 0.5) -> Content:
    compiled = re.compile(form, re.IGNORECASE)
    return lambda text: bool(text.map(lambda value: compiled.fullmatch(value) is not None).mean() >= share)


def _iban(text: pd.Series) -> bool:
    """ISO 13616: the country's letters and the check digits moved behind, as a number, leave 1 modulo 97."""

    def valid(value: str) -> bool:
        compact = value.replace(" ", "").upper()
        if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", compact):
            return False
        return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1

    return bool(text.map(valid).mean() >= 0.5)


def _french_number(value: str) -> bool:
    """The NIR: 13 digits whose key is 97 minus their rest modulo 97."""
    compact = re.sub(r"[ .]", "", value)
    if not re.fullmatch(r"[12]\d{2}(?:0[1-9]|1[0-2])\d{8}\d{2}", compact):
        return False
    return 97 - int(compact[:13]) % 97 == int(compact[13:])


def _national_number(text: pd.Series) -> bool:
    american = _mostly(r"(?!000|666|9)\d{3}-\d{2}-\d{4}")
    british = _mostly(r"[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]")
    return american(text) or british(text) or bool(text.map(_french_number).mean() >= 0.5)


def _person_names(text: pd.Series) -> bool:
    """Two to four words and the given name, which stands first or behind a comma, is a common one: in three of ten."""

    def like(value: str) -> bool:
        words = re.findall(r"[^\W\d_]+", value.lower().rpartition(",")[2])
        count = len(re.findall(r"[^\W\d_]+", value))
        return 2 <= count <= 4 and bool(words) and words[0] in FIRST_NAMES

    return len(text) >= DIFFERENT and bool(text.map(like).mean() >= 0.3)


def _among(*words: str, at_least: int) -> Content:
    """Values of few kinds, at least so many of them among the words, and those are the most."""
    known = frozenset(words)

    def content(text: pd.Series) -> bool:
        found = set(text.str.lower())
        return len(found & known) >= at_least and len(found & known) * 2 >= len(found)

    return content


def _sexes(text: pd.Series) -> bool:
    found = set(text.str.lower())
    pairs: list[set[str]] = [
        {"m", "f"}, {"male", "female"}, {"man", "woman"}, {"homme", "femme"}, {"masculin", "féminin"}, {"männlich", "weiblich"},
    ]  # fmt: skip
    return len(found) <= 6 and any(pair <= found for pair in pairs)


_PEOPLE = "customer|client|user|patient|employee|member|person|passenger|student|subscriber|resident|citizen|applicant|driver"
_ABILITIES = (
    "hearing|seeing|vision|visual|sight|walking|climbing|ambulatory|mobility|cognitive|memory|remembering|concentrating|speech|"
    "learning|dressing|bathing|self_care|independent_living|physical|mental"
)
_LACKS = "difficult(?:y|ies)|disabilit(?:y|ies)|impairments?|limitations?|loss"
_DIFFICULTY = (  # a lack of an ability, in words: hearing_difficulty, difficulty_hearing
    rf"(?:{_ABILITIES})_(?:{_LACKS})|(?:{_LACKS})_(?:in_|with_)?(?:{_ABILITIES})|disab\w*|impaired|handicap\w*|deaf\w*|blind(?:ness)?"
)
_DIFFICULTY_CODES = (  # and as codebooks abbreviate it: dear, deye, drem, ddrs; diffwalk, diffrem; lim_mob
    r"dis|dsbl\w*|d(?:ear|hear|eye|see|vis|rem|mem|cog|phys?|mob|walk|drs|dress|care|out|alone|self)|drat\w?"
    r"|(?:diff?|dis|lim|imp)_?(?:ear|hear|eye|see|sens|vis|rem|mem|cog|phy|mob|walk|climb|dres|drs|care|self|alone|speech|learn)\w*"
)
_BIRTH = _Rule(
    "a date of birth", r"birth|birthday|birthdate|dob|born|naissance|geburtsdatum", "1970-01-01T00:00:00Z"
)
_RULES = [
    _Rule("an e-mail address", r"e?mail|e_mail|courriel", "someone@example.org", _mostly(r"[^@\s]+@[^@\s]+\.[a-z]{2,}")),
    _Rule("an IBAN", r"iban|bank_account|account_number", "FR7612345678901234567890123", _iban),
    _Rule("a national number", r"ssn|nir|nino|insee|national_(?:id|number)|social_security|passport|tax_id|identity_card",
          "000-00-0000", _national_number),
    _Rule("a phone number", r"phone|telephone|tel|mobile|cell|cellphone|fax|gsm", "+33 1 99 00 00 00",
          _mostly(r"\+\d[\d ().-]{7,18}\d|0\d(?:[ .-]\d{2}){4}|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}", 0.8)),
    _Rule("an IP address", r"ip|ip_address", "192.0.2.1", _mostly(r"(?:\d{1,3}\.){3}\d{1,3}", 0.8)),
    _Rule("a postal address", r"address|adresse|street|zip|zip_?code|postcode|postal_code|code_postal", "1 Example Street",
          _mostly(r"\d+\s*\w?,?\s+(?:.*\s)?(?:street|st|avenue|ave|road|rd|lane|drive|dr|boulevard|blvd|bd|way|court)\b.*"
                  r"|\d+\s*(?:bis|ter)?,?\s+(?:rue|avenue|boulevard|place|chemin|impasse|all[ée]e)\s.*")),
    _Rule("the name of a person",
          rf"(?:first|last|given|family|full|middle|maiden)_?name|surname|forename|prenom|nom|(?:{_PEOPLE})_name",
          "Nobody Example", _person_names),
    _Rule("a number of a person", rf"(?:{_PEOPLE})_?(?:id|no|nr|number|key|code)", "P-0001"),
    _Rule("sex or gender", r"sex|gender|sexe|gndr|riagendr", "f", _sexes, "special"),
    _Rule("ethnic origin", r"m?raced?|rac(?:\d\w?|aian|asn|blk|nh|nhpi|num|pi|sor|wht)|ethnic|ethnicity|ethnic_origin"
          r"|f?hisp(?:an)?|hispanic|ridreth\d?|nationality|nativity|ancestry|ancestr\d|anc\dp|birthplace|pobp|bpld?", "a group",
          _among("asian", "hispanic", "caucasian", "african american", "latino", "native american", "pacific islander",
                 "asian-pac-islander", "amer-indian-eskimo", "white", "black", at_least=3),
          "special", codes=r"anc|cit|eth(?:n|nic|gr?p)?"),
    _Rule("health", r"disease|diagnosis|diagnoses|icd\d*|hiv|pregnan\w+|medical|illness|medication"
          rf"|symptoms?|patient_health|health_status|health_condition|{_DIFFICULTY}", "a condition",
          _mostly(r"[A-TV-Z]\d{2}\.\d{1,4}"), "special", codes=rf"(?:gen|phys|ment)?hlth\w*|{_DIFFICULTY_CODES}"),
    _Rule("religion", r"religion|religious|relig|rlg\w+|faith|denomination|church", "a belief",
          _among("christian", "muslim", "jewish", "hindu", "buddhist", "catholic", "protestant", "atheist", "orthodox",
                 at_least=2), "special"),
    _Rule("opinions, union or orientation", r"political|polviews|partyid|trade_union|union_member|sexual_orientation",
          "an opinion", None, "special"),
]  # fmt: skip
