"""Messages for pydantic's validation errors, in the terms of definitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from palette.errors import nearest

__all__ = ["error_message", "unknown_key"]

# Type of the error: what is expected.
EXPECTED = {
    "tuple_type": "a list such as [a, b]",
    "list_type": "a list such as [a, b]",
    "dict_type": "a mapping such as {id: string}",
    "string_type": "a string (put a number or date into quotes)",
    "float_type": "a number",
    "float_parsing": "a number",
    "time_delta_type": "a time span such as 30d, 12h, 15m or 45s",
    "time_delta_parsing": "a time span such as 30d, 12h, 15m or 45s",
}
# Definitions as YAML.
YAML_EXAMPLES = {
    "Aggregate": "{column: order_value, function: sum, windows: [1d]}",
    "Feature": "{name: prep_time, dtype: double}",
}


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the message for an unknown key: the nearest one, and all that are known."""
    known = [name for name in known if name != "kind"]
    return f"unknown key {key!r:.80}{nearest(key[:80], known)} (expected one of {', '.join(known)})"


def error_message(error: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Return the message for one error of a definition: field, input and remedy.

    Parameters
    ----------
    error : mapping
        One of pydantic's ``errors()``.
    keys : iterable of str
        Known keys of the definition.

    Examples
    --------
    >>> error_message({"type": "extra_forbidden", "loc": ("sources",), "msg": "", "input": 3}, ["name", "source"])
    "unknown key 'sources'; did you mean 'source'? (expected one of name, source)"
    """
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return unknown_key(where, keys)
    if error["type"] == "missing":
        return f"{where} is missing"
    expected = EXPECTED.get(error["type"])
    if error["type"] in ("model_type", "is_instance_of", "dataclass_type"):
        kind = error["ctx"].get("class_name") or error["ctx"]["class"]
        expected = f"{kind}, in YAML {YAML_EXAMPLES[kind]}" if kind in YAML_EXAMPLES else str(kind)
    if expected is not None:
        message = f"expected {expected}, found {error['input']!r:.80}"
    else:
        message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
