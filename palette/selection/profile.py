"""What a sample shows: the bins of each column, and whether it tells what nobody could have known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as F

from palette.selection.clusters import Clusters
from palette.selection.leaks import ENOUGH, Sampled, Timeliness
from palette.selection.request import LABEL
from palette.selection.sample import WEIGHT, cluster, earlier, known
from palette.selection.worker import codes_of
from palette.statistics.bins import Bins, fit_numbers, fit_texts, most_bins

if TYPE_CHECKING:
    import pyarrow as pa

    from palette.offline.join.lookup import Lookup
    from palette.selection.request import Asked, Variable
    from palette.selection.sample import Labelled

__all__ = ["Examined", "Facts", "examine"]

# The bins of a label that is a quantity; most classes; most texts of a feature. Each has a rest.
QUANTITY, CLASSES, TEXTS = 10, 20, 50


@dataclass(frozen=True)
class Facts:
    """What the sample shows of a feature.

    Parameters
    ----------
    variable : Variable
        Which.
    bins : Bins
        Of its values.
    holders : float
        How many rows have a value; of a text that is looked up, how many rows of the history that were found.
    inflation : float
        The design effect of rows that share a value, in all rows.
    fine : float
        The share of the label's entropy that a number tells in the finest bins.
    timeliness : Timeliness, optional
        Of a group that tells when it was written.
    """

    variable: Variable
    bins: Bins
    holders: float
    inflation: float
    fine: float = 0.0
    timeliness: Timeliness | None = None


@dataclass(frozen=True)
class Examined:
    """What the sample shows.

    Parameters
    ----------
    rows : int
        How many it stands for.
    label : Bins
        Of the label.
    facts : tuple of Facts
        Of each feature.
    notes : tuple of str
        What could not be looked at.
    """

    rows: int
    label: Bins
    facts: tuple[Facts, ...]
    notes: tuple[str, ...]


def examine(asked: Asked, rows: Labelled, sample: pa.Table, bins: int) -> Examined:
    """Fit the bins of all columns, and look for leaks.

    Parameters
    ----------
    asked, rows, sample
        The question, its rows, and a sample of them (:func:`palette.selection.sample.take_sample`).
    bins : int
        Into how many bins numbers fall, if there are rows enough.
    """
    weights = sample[WEIGHT].to_numpy()
    columns = {name: sample[name].combine_chunks() for name in sample.column_names}
    most = most_bins(rows.count)
    if rows.task == "regression":
        label = fit_numbers(columns[LABEL].to_numpy(zero_copy_only=False), weights, min(QUANTITY, most))
    else:
        label = fit_texts(columns[LABEL], weights, CLASSES - 1)
    fitted = {one.column: _fit(one, columns[one.column], weights, bins, most) for one in asked.variables}
    look = _Look(columns, Sampled(columns[LABEL], label, weights), fitted, rows.count / float(weights.sum()))
    group_of = {one.column: asked.group_of(one.column) for one in asked.variables}
    facts = {}
    # Group by group, since its clusters take room.
    for group in dict.fromkeys(group_of.values()):
        clusters = None if group is None else Clusters(columns[cluster(group)].to_numpy())
        any_written = None if group is None else columns.get(known(group))
        for one in (one for one in asked.variables if group_of[one.column] == group):
            facts[one.column] = look.at(one, clusters, any_written)
    in_order = [facts[one.column] for one in asked.variables]
    return Examined(int(weights.sum()), label, *_unwritten(asked, in_order, rows.last))


@dataclass(frozen=True)
class _Look:
    """A sample, to be looked at column by column."""

    columns: Mapping[str, pa.Array]
    seen: Sampled
    bins: Mapping[str, Bins]
    # How many rows there are for each in the sample.
    scale: float

    def at(self, one: Variable, clusters: Clusters | None, any_written: pa.Array | None) -> Facts:
        values, bins, weights = self.columns[one.column], self.bins[one.column], self.seen.weights
        codes = codes_of(values, bins.cuts)
        effect, holders = 1.0, float(weights[codes > 0].sum())
        if clusters is not None:
            effect = clusters.design_effect(codes, partial(self.seen.table, size=bins.size))
            holders = len(np.unique(clusters.numbers[codes > 0])) if one.is_text else holders
        timely = None
        if any_written is not None:
            written = self.columns[earlier(one.column)]
            timely = self.seen.timeliness(values, written, any_written, bins, len(self.bins), effect)
        fine = 0.0 if one.is_text else self.seen.fine_share(values)
        # A sample has fewer rows of each cluster than there are.
        return Facts(one, bins, holders, 1.0 + (effect - 1.0) * self.scale, fine, timely)


def _fit(one: Variable, values: pa.Array, weights: Any, bins: int, most: int) -> Bins:
    if one.is_text:
        return fit_texts(values, weights, min(TEXTS, most) - 1)
    numbers = values.to_numpy(zero_copy_only=False)
    return fit_numbers(numbers, weights, min(bins, most), few=min(2 * bins, most))


def _unwritten(asked: Asked, facts: list[Facts], last: int | None) -> tuple[tuple[Facts, ...], tuple[str, ...]]:
    """Tell features that were never written in time from those of a history that was written as a whole afterwards.

    The first are late. Of the others it cannot be told.
    """
    places = {one.variable.column: place for place, one in enumerate(facts)}
    told, notes = list(facts), []
    for lookup in asked.lookups:
        of_group = [places[column] for column in lookup.columns]
        timely = [facts[place].timeliness for place in of_group]
        if last is None or timely[0] is None or timely[0].rows >= ENOUGH:
            continue
        if _first_written(asked, lookup, last) > last:
            notes.append(
                f"Nothing of {lookup.group.full_name} was written before the last row of the basis: "
                "whether its values were known in time cannot be told"
            )
        else:
            for place in of_group:
                told[place] = replace(facts[place], timeliness=replace(timely[0], late=True))
    return tuple(told), tuple(dict.fromkeys(notes))


def _first_written(asked: Asked, lookup: Lookup, last: int) -> float:
    """Return when the first row was written of those that the basis may see, in microseconds."""
    group, spark = lookup.group, asked.rows.sparkSession
    rows = asked.tables.read(spark, lookup.entity, group, asked.how["versions"][group.full_name])
    if group.timestamp is not None:
        rows = rows.filter(F.unix_micros(group.timestamp) <= last)
    first = rows.agg(F.unix_micros(F.min(str(group.created)))).collect()[0][0]
    return math.inf if first is None else float(first)
