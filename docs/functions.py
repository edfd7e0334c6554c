"""Write ``functions.md``, the reference of the expression language, from its registry."""

from __future__ import annotations

import sys
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "functions.md"
_LONGEST = 40

_INTRODUCTION = """\
# Functions of the expression language

Written by `make docs` from the registry; a test keeps it current. There are {functions} functions, {statistics}
statistics of the training data, and {macros} functions made of them.

Values are numbers (doubles), integers (64 bits), strings, booleans, timestamps (UTC) and vectors. A text in quotes
where no text is wanted is the name of a feature. Nothing raises on data: where a function has no value, it is null.
Doubles follow IEEE 754: what is too large is infinite. NaN equals itself and is larger than any other number.

Every function computes the same in Spark and in plain Python, to the last bit, unless the column *ulps* says by how
many units in the last place the two mathematical libraries may differ.
"""

_READERS = """\
## values

| function | reads a feature as |
| --- | --- |
| `nVal('entity:group:feature:key')` | number |
| `iVal('entity:group:feature:key')` | integer, every bigint exactly; `nVal` rounds those beyond 2^53 |
| `sVal('entity:group:feature:key')` | string |
| `bVal('entity:group:feature:key')` | boolean |
| `tVal('entity:group:feature:key')` | timestamp |
| `vVal('entity:group:feature:key')` | vector, an array of numbers; one with a null element is null |
| `aVal('entity:group:feature:key')` | strings, an array of strings; null elements are left out |

Each reads a column of the rows themselves as well: `nVal('basis:column')`.
"""


def page() -> str:
    """Return the text of the page."""
    from dsl import REGISTRY

    counts = {"functions": len(REGISTRY), "statistics": len(REGISTRY.statistics), "macros": len(REGISTRY.macros)}
    sections = [_INTRODUCTION.format(**counts), _READERS]
    by_family = sorted([*REGISTRY, *REGISTRY.statistics, *REGISTRY.macros], key=attrgetter("family", "name"))
    for family, entries in groupby(by_family, key=attrgetter("family")):
        introduction = (sys.modules[f"dsl.functions.{family}"].__doc__ or "").strip()
        rows = [f"| `{entry.usage}` | {_said(entry)} | {_example(entry)} | {_ulps(entry)} |" for entry in entries]
        table = ["| function | value | example | ulps |", "| --- | --- | --- | --- |", *rows]
        sections.append("\n".join([f"## {family}", "", introduction, "", *table, ""]))
    return "\n".join(sections)


def _said(entry: Any) -> str:
    return " ".join(entry.doc.split()).replace("``", "`").replace("|", "\\|")


def _example(entry: Any) -> str:
    args, value = entry.examples[0]
    shown = f"`{entry.name}({', '.join(map(_value, args))})` → `{_value(value)}`"
    return shown.replace("|", "\\|").replace("\n", " ")


def _value(value: Any) -> str:
    """Return a value as it is written in an expression."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_value(key)}: {_value(item)}' for key, item in value.items())}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ')}'"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _ulps(entry: Any) -> str:
    return str(getattr(entry, "ulps", 0) or "")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page(), encoding="utf-8")
