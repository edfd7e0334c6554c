"""YAML 1.2 with its core schema: ``010`` is ten, ``0o10`` is eight; ``yes``, ``1:30`` and ``2026-01-01`` are strings.

PyYAML alone reads YAML 1.1, where ``010`` is eight, ``1:30`` is ninety, and ``yes`` and ``on`` are booleans.
"""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

import yaml

__all__ = ["CoreDumper", "CoreLoader"]

TAG = "tag:yaml.org,2002:"
FORMS = {
    "null": (re.compile(r"~|null|Null|NULL|"), ("~", "n", "N", "")),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), tuple("tTfF")),
    "int": (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), tuple("-+0123456789")),
    "float": (
        re.compile(
            r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
        ),
        tuple("-+.0123456789"),
    ),
}
BASES = {"0o": 8, "0x": 16}


class CoreLoader(yaml.SafeLoader):
    """Loader of plain values by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


class CoreDumper(yaml.SafeDumper):
    """Dumper that quotes strings that either version of YAML would read as something else."""


def _value(form: str, text: str) -> Any:
    if not FORMS[form][0].fullmatch(text):
        raise ValueError(f"YAML 1.2 has no {form} {text!r:.80}")
    if form == "null":
        return None
    if form == "bool":
        return text[0] in "tT"
    if form == "int":
        return int(text[2:], BASES[text[:2]]) if text[:2] in BASES else int(text)
    number = float(text.replace(".", "", 1) if text.lstrip("-+")[1:2].isalpha() else text)
    if math.isinf(number) and "n" not in text.lower():
        raise ValueError("too large for a double")
    return number


def _construct(loader: CoreLoader, node: yaml.ScalarNode) -> Any:
    return _value(node.tag.removeprefix(TAG), loader.construct_scalar(node))


for _form, (_pattern, _first) in FORMS.items():
    # A resolver matches from the start of the string.
    _full = re.compile(f"(?:{_pattern.pattern})$", re.ASCII)
    CoreLoader.add_implicit_resolver(TAG + _form, _full, list(_first))
    CoreDumper.add_implicit_resolver(TAG + _form, _full, list(_first))
    CoreLoader.add_constructor(TAG + _form, _construct)
