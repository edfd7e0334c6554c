"""Feature selection: from a request to ranked features, and those left out with reasons."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from palette.selection.contingency import Codes
from palette.selection.profile import profile_sample
from palette.selection.ranking import rank
from palette.selection.reasons import exclude
from palette.selection.records import REASONS, Label, LeftOut, Ranked, Step
from palette.selection.request import LABEL, binned_value
from palette.selection.result import Selection
from palette.selection.sample import draw_sample, select_labelled
from palette.statistics.information import entropy, mutual_information

if TYPE_CHECKING:
    from palette.selection.request import SelectionRequest
    from palette.selection.settings import SelectionSettings

__all__ = ["select"]

PHASES = ("label", "sample", "relevance", "redundancy")


class _Progress:
    """Reports the phases to a callback, and measures their durations."""

    def __init__(self, callback: Callable[[Step], Any] | None) -> None:
        self.seconds: dict[str, float] = {}
        self._callback = callback

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.report(name, PHASES.index(name))
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin

    def report(self, phase: str, step: int) -> None:
        if self._callback is not None:
            self._callback(Step(phase, step, len(PHASES)))


def select(
    request: SelectionRequest,
    label: str,
    settings: SelectionSettings,
    progress: Callable[[Step], Any] | None = None,
) -> Selection:
    """Rank features.

    The basis is read three times: for the label, for a sample, and for the values of all rows, which are joined once.

    Parameters
    ----------
    request : SelectionRequest
        The rows and the features.
    label : str
        Name of its column in the basis.
    settings : SelectionSettings
        The settings.
    progress : callable, optional
        Called with each step when it begins.

    Raises
    ------
    DataError, SchemaError
        If the label is constant or null, or does not suit the task.
    """
    reporter = _Progress(progress)
    with reporter.phase("label"):
        rows = select_labelled(request, label, settings.task)
    with reporter.phase("sample"):
        sample = profile_sample(request, rows, draw_sample(request, rows), settings.bins)
    columns = (binned_value(variable.column, variable.dtype) for variable in request.variables)
    values = request.join(rows.rows).select(LABEL, *columns)
    # The label is column 0.
    profiles = dict(enumerate(sample.features, 1))
    with Codes(values, [sample.label, *(profile.bins for profile in sample.features)]) as codes:
        with reporter.phase("relevance"):
            tables = {index: table for (_, index), table in codes.tables({0: list(profiles)}).items()}
            left_out = {
                index: excluded
                for index, table in tables.items()
                if (excluded := exclude(profiles[index], table, settings, len(profiles)))
            }
            relevance = {index: mutual_information(tables[index]) for index in tables if index not in left_out}
        with reporter.phase("redundancy"):
            sizes = dict(enumerate(codes.sizes))
            ranking, same = rank(relevance, sizes, codes.tables, settings.count, settings.method)
    reporter.report("done", len(PHASES))
    names = {index: profile.variable.name for index, profile in profiles.items()}
    left_out |= {
        index: LeftOut(names[index], "duplicate", f"its bins equal those of {names[other]}")
        for index, other in same.items()
    }
    counts = tables[1].sum(axis=1)
    total = entropy(counts)
    ranked = tuple(
        Ranked(
            rank=number,
            feature=names[feature.feature],
            selected=feature.selected,
            relevance=relevance[feature.feature],
            share=min(1.0, relevance[feature.feature] / total),
            redundancy=feature.redundancy,
            score=feature.score,
            nulls=float(tables[feature.feature][:, 0].sum() / rows.count),
            distinct=profiles[feature.feature].bins.distinct,
        )
        for number, feature in enumerate(ranking, 1)
    )
    dropped = [*request.left_out, *left_out.values()]
    return Selection(
        label=Label(label, rows.task, int((counts > 0).sum()), total, rows.nulls),
        rows=rows.count,
        sampled=sample.rows,
        method=settings.method,
        ranked=ranked,
        left_out=tuple(sorted(dropped, key=lambda feature: (REASONS.index(feature.reason), feature.feature))),
        notes=(*_notes(request), *sample.notes),
        versions=dict(request.join_options["versions"]),
        passes=codes.passes,
        seconds=reporter.seconds,
    )


def _notes(request: SelectionRequest) -> Iterator[str]:
    schemas = [lookup.schema for lookup in request.lookups]
    if request.join_options["timestamp"] is None and any(schema.times for schema in schemas):
        yield (
            "No timestamp was named, so these are the latest values: they may contain what became known after the "
            "rows; name the column with each row's time"
        )
