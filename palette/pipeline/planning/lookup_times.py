"""Times of a pipeline's look-ups: as of each row's timestamp, or the latest values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palette.transformer import PaletteTransformer

__all__ = ["explain_times", "untimed_groups"]

MEANING = {"event": "events up to then", "created": "events up to then that were also written by then"}


def untimed_groups(lookups: Sequence[PaletteTransformer]) -> list[str]:
    """Return the groups with event times whose latest values are looked up."""
    return list(dict.fromkeys(group for stage in lookups for group in stage.untimed_groups()))


def explain_times(lookups: Sequence[PaletteTransformer]) -> list[str]:
    """Return a line for each time of look-ups, with its columns if there are several times.

    Parameters
    ----------
    lookups : sequence of PaletteTransformer
        Look-ups with stores and times.
    """
    shared: dict[str | None, list[PaletteTransformer]] = {}
    for stage in lookups:
        column = stage.getTimestampCol()
        time = None if column is None else f"{column!r}: {MEANING[stage.getPointInTime()]}"
        shared.setdefault(time, []).append(stage)
    lines = []
    for time, stages in shared.items():
        columns = ", ".join(column for stage in stages for column in stage.getFeatures())
        lines.append(f"  time    {time or _without_time(stages)}{f' ({columns})' if len(shared) > 1 else ''}")
    return lines


def _without_time(stages: Sequence[PaletteTransformer]) -> str:
    untimed = ", ".join(untimed_groups(stages))
    return f"none: the latest values of {untimed}; to train, set timestampCol" if untimed else "none, not needed"
