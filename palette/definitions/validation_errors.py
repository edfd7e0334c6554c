"""What pydantic finds wrong, said in the words of those who write definitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from palette.errors import nearest

__all__ = ["fault_text"]

# Type of the fault: what is wanted.
WANTED = {
    "tuple_type": "a list such as [a, b]",
    "list_type": "a list such as [a, b]",
    "dict_type": "words with values such as {id: string}",
    "string_type": "a text (a number or date stands in quotes)",
    "float_type": "a number",
    "float_parsing": "a number",
    "time_delta_type": "a time span such as 30d, 12h, 15m or 45s",
    "time_delta_parsing": "a time span such as 30d, 12h, 15m or 45s",
}
# How lists of definitions are written.
WRITTEN = {
    "Aggregate": "{column: order_value, function: sum, windows: [1d]}",
    "Feature": "{name: prep_time, dtype: double}",
}


def unknown_word(word: str, words: Iterable[str]) -> str:
    """Tell that a word is not known, the nearest one, and all."""
    words = [one for one in words if one != "kind"]
    return f"unknown word {word!r:.80}{nearest(word[:80], words)} (words: {', '.join(words)})"


def fault_text(fault: Mapping[str, Any], words: Iterable[str]) -> str:
    """Return one fault of a definition: where, what was found, and what to write.

    Parameters
    ----------
    fault : mapping
        One of pydantic's ``errors()``.
    words : iterable of str
        That the definition knows.

    Examples
    --------
    >>> fault_text({"type": "extra_forbidden", "loc": ("sources",), "msg": "", "input": 3}, ["name", "source"])
    "unknown word 'sources'; did you mean 'source'? (words: name, source)"
    """
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return unknown_word(where, words)
    if fault["type"] == "missing":
        return f"{where} missing"
    wanted = WANTED.get(fault["type"])
    if fault["type"] in ("model_type", "is_instance_of", "dataclass_type"):
        kind = fault["ctx"].get("class_name") or fault["ctx"]["class"]
        wanted = f"{kind}, in YAML {WRITTEN[kind]}" if kind in WRITTEN else str(kind)
    if wanted is not None:
        text = f"expected {wanted}, found {fault['input']!r:.80}"
    else:
        text = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else text
