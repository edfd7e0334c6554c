"""Tiers of tests: without Java (fast), with it (spark), and the long ones of a night (proof)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

__all__ = ["mark"]


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark what needs Java, or draws random cases, as ``spark`` and ``random``: by what tests use, not by hand."""
    for item in items:
        if needs_spark(item):
            item.add_marker("spark")
        if draws(item):
            item.add_marker("random")


def needs_spark(item: pytest.Item) -> bool:
    """Return whether a test uses the fixture ``spark``, by itself or through others, or a doctest starts a session."""
    if isinstance(item, pytest.DoctestItem):
        return any("spark_session(" in example.source for example in item.dtest.examples)
    return "spark" in getattr(item, "fixturenames", ())


def draws(item: pytest.Item) -> bool:
    """Return whether a test draws its cases, by hypothesis or by the fixture ``rng``."""
    function = getattr(item, "function", None)
    return hasattr(function, "hypothesis") or "rng" in getattr(item, "fixturenames", ())
