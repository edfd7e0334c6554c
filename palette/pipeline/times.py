"""The times of a pipeline's look-ups: as of each row's own time, or the latest values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palette.transformer import PaletteTransformer

__all__ = ["explain_times", "untimed_groups"]

KNOWN = {"event": "what had happened by then", "created": "what had happened and was written by then"}


def untimed_groups(lookups: Sequence[PaletteTransformer]) -> list[str]:
    """Return the groups with event times of which the latest values are looked up."""
    return list(dict.fromkeys(group for stage in lookups for group in stage.untimed_groups()))


def explain_times(lookups: Sequence[PaletteTransformer]) -> list[str]:
    """Return a line for each time that look-ups read at, and of which columns where there are several.

    Parameters
    ----------
    lookups : sequence of PaletteTransformer
        With their stores and times.
    """
    shared: dict[str, list[str]] = {}
    for stage in lookups:
        shared.setdefault(_time(stage), []).extend(stage.getFeatures())
    if len(shared) == 1:
        return [f"  time    {time}" for time in shared]
    return [f"  time    {time} ({', '.join(columns)})" for time, columns in shared.items()]


def _time(stage: PaletteTransformer) -> str:
    column = stage.getTimestampCol()
    if column is not None:
        return f"{column!r}: {KNOWN[stage.getPointInTime()]}"
    untimed = ", ".join(stage.untimed_groups())
    return f"none: the latest values of {untimed}; to train, set timestampCol" if untimed else "none is needed"
