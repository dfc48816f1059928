"""The name of a new pilot in the list ``pilots`` of ``dvc.yaml``; every other character of the file stays."""

from __future__ import annotations

from pathlib import Path

import yaml

from tremplin.errors import TremplinError


def with_pilot(path: Path, name: str) -> str:
    """The file's text with one more name.

    Raises:
        TremplinError: the file or its list is not there, or the name is in it already.
    """
    try:
        text = path.read_text("utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise TremplinError(f"{path} is missing: run `tremplin new` at the root of a checkout.") from None
    except yaml.YAMLError as error:
        raise TremplinError(f"{path} is not YAML ({error}): mend it first.") from None
    names = _list_of_pilots(node)
    if names is None:
        raise TremplinError(f"{path}: `vars` holds no list `pilots`, which a new pilot's name would go into.")
    if name in [item.value for item in names.value]:
        raise TremplinError(f"{path} names the pilot {name!r} already. Choose another name.")
    if not names.value:
        start, end = names.start_mark.index, names.end_mark.index
        return f"{text[:start]}[{name}]{text[end:]}"
    last = names.value[-1]
    after = last.end_mark.index
    if names.flow_style:
        return f"{text[:after]}, {name}{text[after:]}"
    return f"{text[:after]}\n{' ' * names.start_mark.column}- {name}{text[after:]}"


def _list_of_pilots(node: yaml.Node | None) -> yaml.SequenceNode | None:
    for part in _value(node, "vars", yaml.SequenceNode) or []:
        for key, value in part.value if isinstance(part, yaml.MappingNode) else []:
            if key.value == "pilots" and isinstance(value, yaml.SequenceNode):
                return value
    return None


def _value(node: yaml.Node | None, name: str, kind: type[yaml.SequenceNode]) -> list[yaml.Node] | None:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if key.value == name and isinstance(value, kind):
            found: list[yaml.Node] = value.value
            return found
    return None
