"""Selecting features: from a question to what is ranked, and what is left out and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from palette.selection.contingency import Codes
from palette.selection.profile import examine
from palette.selection.ranking import rank
from palette.selection.reasons import left_out
from palette.selection.request import LABEL, value
from palette.selection.result import REASONS, Label, LeftOut, Ranked, Selection, Step
from palette.selection.sample import labelled, take_sample
from palette.statistics.information import entropy, mutual_information

if TYPE_CHECKING:
    from palette.selection.request import Asked
    from palette.selection.settings import Settings

__all__ = ["select"]

PHASES = ("label", "sample", "relevance", "redundancy")


class _Progress:
    """Tells what begins, and measures what it takes."""

    def __init__(self, told: Callable[[Step], Any] | None) -> None:
        self.seconds: dict[str, float] = {}
        self._told = told

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.tell(name, PHASES.index(name))
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin

    def tell(self, phase: str, step: int) -> None:
        if self._told is not None:
            self._told(Step(phase, step, len(PHASES)))


def select(asked: Asked, label: str, settings: Settings, progress: Callable[[Step], Any] | None = None) -> Selection:
    """Rank features.

    The basis is read three times: for the label, for a sample, and for the values of all rows, which are joined once.

    Parameters
    ----------
    asked : Asked
        The rows and the features.
    label : str
        What its column is called in the basis.
    settings : Settings
        How.
    progress : callable, optional
        Is told each step when it begins.

    Raises
    ------
    DataError, SchemaError
        If the label tells nothing, or does not suit the task.
    """
    doing = _Progress(progress)
    with doing.phase("label"):
        rows = labelled(asked, label, settings.task)
    with doing.phase("sample"):
        seen = examine(asked, rows, take_sample(asked, rows), settings.bins)
    values = asked.joined(rows.rows).select(LABEL, *(value(one.column, one.dtype) for one in asked.variables))
    # The label is column 0.
    facts = dict(enumerate(seen.facts, 1))
    with Codes(values, [seen.label, *(one.bins for one in seen.facts)]) as codes:
        with doing.phase("relevance"):
            tables = {place: table for (_, place), table in codes.tables({0: list(facts)}).items()}
            out = {
                place: told
                for place, table in tables.items()
                if (told := left_out(facts[place], table, settings, len(facts)))
            }
            relevance = {place: mutual_information(tables[place]) for place in tables if place not in out}
        with doing.phase("redundancy"):
            sizes = dict(enumerate(codes.sizes))
            places, same = rank(relevance, sizes, codes.tables, settings.count, settings.method)
    doing.tell("done", len(PHASES))
    names = {place: one.variable.name for place, one in facts.items()}
    out |= {
        place: LeftOut(names[place], "duplicate", f"its bins are those of {names[other]}, which tells the same")
        for place, other in same.items()
    }
    counts = tables[1].sum(axis=1)
    whole = entropy(counts)
    ranked = tuple(
        Ranked(
            rank=number,
            feature=names[one.feature],
            selected=one.selected,
            relevance=relevance[one.feature],
            share=min(1.0, relevance[one.feature] / whole),
            redundancy=one.redundancy,
            score=one.score,
            nulls=float(tables[one.feature][:, 0].sum() / rows.count),
            distinct=facts[one.feature].bins.distinct,
        )
        for number, one in enumerate(places, 1)
    )
    dropped = sorted([*asked.left_out, *out.values()], key=lambda one: (REASONS.index(one.reason), one.feature))
    return Selection(
        label=Label(label, rows.task, int((counts > 0).sum()), whole, rows.nulls),
        rows=rows.count,
        sampled=seen.rows,
        method=settings.method,
        ranked=ranked,
        left_out=tuple(dropped),
        notes=(*_notes(asked), *seen.notes),
        versions=dict(asked.how["versions"]),
        passes=codes.passes,
        seconds=doing.seconds,
    )


def _notes(asked: Asked) -> Iterator[str]:
    groups = [lookup.group for lookup in asked.lookups]
    if asked.how["timestamp"] is None and any(group.timestamp or group.created for group in groups):
        yield (
            "No timestamp was named, so these are the latest values: they may tell what became known after the rows; "
            "name the column with each row's time"
        )
