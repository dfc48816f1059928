"""``features.py`` and ``model.py``: written once by `tremplin new`, then a person's."""

from __future__ import annotations

from collections.abc import Sequence

from tremplin.scaffolding.spelling import filled, indented, sentence, sequence


def features(categories: Sequence[str], numbers: Sequence[str]) -> str:
    """The text of ``features.py``."""
    parts = ['("codes", codes, CATEGORIES)'] * bool(categories) + [
        '("numbers", "passthrough", NUMBERS)'
    ] * bool(numbers)
    codes = 'codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)'
    steps = [codes] * bool(categories) + [f"return ColumnTransformer([{', '.join(parts)}])"]
    lists = [sequence("CATEGORIES", categories)] * bool(categories) + [sequence("NUMBERS", numbers)] * bool(
        numbers
    )
    words = ["Categories as codes (-1 where training never saw the value)"] * bool(categories)
    words += ["numbers as they are"] * bool(numbers)
    return filled(
        "features.py",
        encoder_import="from sklearn.preprocessing import OrdinalEncoder\n" if categories else "",
        lists="\n".join(lists),
        words=sentence(", then the ".join(words)),
        steps=indented(steps),
    )


def model(categories: Sequence[str], numbers: Sequence[str]) -> str:
    """The text of ``model.py``."""
    count, width = len(categories), len(categories) + len(numbers)
    places, parts, words, kinds, steps = [], [], [], [], []
    if categories:
        places.append(f"CODES = list(range({count}))  # {', '.join(categories)}"[:130])
        parts.append('("codes", OneHotEncoder(handle_unknown="ignore"), CODES)')
        words.append("one-hot categories")
        kinds.append("OneHotEncoder")
    if numbers:
        places.append(
            f"NUMBERS = list(range({f'{count}, ' * bool(count)}{width}))  # as many as features.py lists"
        )
        steps.append("numbers = make_pipeline(SimpleImputer(), StandardScaler())")
        parts.append('("numbers", numbers, NUMBERS)')
        words.append("scaled numbers")
        kinds.append("StandardScaler")
    inner = f"[{', '.join(parts)}]"
    broken = ["columns = ColumnTransformer(", f"    {inner}", ")"]  # as the formatter would
    steps += broken if len(parts) > 1 else [f"columns = ColumnTransformer({inner})"]
    return filled(
        "model.py",
        layout=" then ".join(
            [f"{count} codes of categories"] * bool(categories) + [f"{len(numbers)} numbers"] * bool(numbers)
        ),
        preprocessing=", ".join(kinds),
        places="\n".join(places),
        linear_words=" and ".join(words),
        linear_steps=indented(steps),
    )
