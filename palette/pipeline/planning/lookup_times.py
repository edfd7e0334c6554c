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
    shared: dict[str | None, list[PaletteTransformer]] = {}
    for stage in lookups:
        column = stage.getTimestampCol()
        time = None if column is None else f"{column!r}: {KNOWN[stage.getPointInTime()]}"
        shared.setdefault(time, []).append(stage)
    lines = []
    for time, stages in shared.items():
        columns = ", ".join(column for stage in stages for column in stage.getFeatures())
        lines.append(f"  time    {time or _without_time(stages)}{f' ({columns})' if len(shared) > 1 else ''}")
    return lines


def _without_time(stages: Sequence[PaletteTransformer]) -> str:
    untimed = ", ".join(untimed_groups(stages))
    return f"none: the latest values of {untimed}; to train, set timestampCol" if untimed else "none is needed"
