"""Spark ML metadata about the values of a column."""

from __future__ import annotations

from typing import Any

__all__ = ["attribute_of", "attributes_of", "values_of"]


def attribute_of(schema: Any, column: str) -> dict[str, Any]:
    """Return what is known of a column; empty if there is nothing."""
    field = next((field for field in schema.fields if field.name == column), None)
    return {} if field is None else dict(field.metadata.get("ml_attr", {}))


def attributes_of(attribute: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return what is known of each element of a vector column, or None.

    Examples
    --------
    >>> attributes_of({"attrs": {"nominal": [{"idx": 1, "num_vals": 3}], "numeric": [{"idx": 0, "name": "x"}]}})
    [{'type': 'numeric', 'idx': 0, 'name': 'x'}, {'type': 'nominal', 'idx': 1, 'num_vals': 3}]
    """
    if "attrs" not in attribute:
        return None
    elements = [{"type": kind, **element} for kind, several in attribute["attrs"].items() for element in several]
    return sorted(elements, key=lambda element: int(element["idx"]))


def values_of(attribute: dict[str, Any]) -> int | None:
    """Return how many values a nominal attribute has: 1 for those that are not nominal, None where it is not said.

    Examples
    --------
    >>> [values_of({"type": "nominal", "vals": ["a", "b"]}), values_of({"type": "binary"}), values_of({})]
    [2, 1, 1]
    """
    if attribute.get("type") != "nominal":
        return 1
    count = attribute.get("num_vals", len(attribute["vals"]) if "vals" in attribute else None)
    return None if count is None else max(1, int(count))
