"""Profiles of variables in a sample: their bins, and whether they leak."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as F

from palette.selection.clusters import Clusters
from palette.selection.leaks import ENOUGH, LabelledSample, Timeliness
from palette.selection.request import LABEL
from palette.selection.sample import WEIGHT, cluster_column, known_column, written_column
from palette.selection.worker import to_codes
from palette.statistics.bins import Bins, fit_numbers, fit_strings, max_bins

if TYPE_CHECKING:
    import pyarrow as pa

    from palette.offline.join.lookup import Lookup
    from palette.selection.request import SelectionRequest, Variable
    from palette.selection.sample import LabelledRows

__all__ = ["FeatureProfile", "SampleProfile", "profile_sample"]

# Bins of a label that is a quantity; classes of a label; strings of a feature, each with a rest.
QUANTITY, CLASSES, STRINGS = 10, 20, 50


@dataclass(frozen=True)
class FeatureProfile:
    """A feature in the sample.

    Parameters
    ----------
    variable : Variable
        The feature.
    bins : Bins
        Of its values.
    holders : float
        Number of rows with a value; for a string that is looked up, of matched rows of the history.
    inflation : float
        The design effect of rows that share a value, in all rows.
    fine : float
        The share of the label's entropy that a number explains in the finest bins.
    timeliness : Timeliness, optional
        For a group that records when its rows were written.
    """

    variable: Variable
    bins: Bins
    holders: float
    inflation: float
    fine: float = 0.0
    timeliness: Timeliness | None = None


@dataclass(frozen=True)
class SampleProfile:
    """Label and features in the sample.

    Parameters
    ----------
    rows : int
        Number of rows that the sample represents.
    label : Bins
        Of the label.
    features : tuple of FeatureProfile
        Of each feature.
    notes : tuple of str
        Checks that were not possible.
    """

    rows: int
    label: Bins
    features: tuple[FeatureProfile, ...]
    notes: tuple[str, ...]


def profile_sample(request: SelectionRequest, rows: LabelledRows, sample: pa.Table, bins: int) -> SampleProfile:
    """Fit the bins of all columns, and detect leaks.

    Parameters
    ----------
    request, rows, sample
        The request, its rows, and a sample of them (:func:`palette.selection.sample.draw_sample`).
    bins : int
        Number of bins for numbers, if there are enough rows.
    """
    weights = sample[WEIGHT].to_numpy()
    columns = {name: sample[name].combine_chunks() for name in sample.column_names}
    limit = max_bins(rows.count)
    if rows.task == "regression":
        label = fit_numbers(columns[LABEL].to_numpy(zero_copy_only=False), weights, min(QUANTITY, limit))
    else:
        label = fit_strings(columns[LABEL], weights, CLASSES - 1)
    variables = request.variables
    fitted = {variable.column: _fit(variable, columns[variable.column], weights, bins, limit) for variable in variables}
    scale = rows.count / float(weights.sum())
    profiler = _Profiler(columns, LabelledSample(columns[LABEL], label, weights), fitted, scale)
    group_ids = {variable.column: request.group_id(variable.column) for variable in variables}
    profiles = {}
    # Group by group, since its clusters need memory.
    for group_id in dict.fromkeys(group_ids.values()):
        clusters = None if group_id is None else Clusters(columns[cluster_column(group_id)].to_numpy())
        known = None if group_id is None else columns.get(known_column(group_id))
        for variable in (variable for variable in variables if group_ids[variable.column] == group_id):
            profiles[variable.column] = profiler.profile(variable, clusters, known)
    in_order = [profiles[variable.column] for variable in variables]
    return SampleProfile(int(weights.sum()), label, *_mark_unwritten(request, in_order, rows.last))


@dataclass(frozen=True)
class _Profiler:
    """A sample whose columns are profiled one by one."""

    columns: Mapping[str, pa.Array]
    sample: LabelledSample
    bins: Mapping[str, Bins]
    # Number of rows for each row of the sample.
    scale: float

    def profile(self, variable: Variable, clusters: Clusters | None, known: pa.Array | None) -> FeatureProfile:
        values, bins, weights = self.columns[variable.column], self.bins[variable.column], self.sample.weights
        codes = to_codes(values, bins.cuts)
        effect, holders = 1.0, float(weights[codes > 0].sum())
        if clusters is not None:
            effect = clusters.design_effect(codes, partial(self.sample.table, size=bins.size))
            holders = len(np.unique(clusters.numbers[codes > 0])) if variable.is_string else holders
        timeliness = None
        if known is not None:
            written = self.columns[written_column(variable.column)]
            timeliness = self.sample.timeliness(values, written, known, bins, len(self.bins), effect)
        fine = 0.0 if variable.is_string else self.sample.fine_share(values)
        # A sample has fewer rows of each cluster than all rows.
        return FeatureProfile(variable, bins, holders, 1.0 + (effect - 1.0) * self.scale, fine, timeliness)


def _fit(variable: Variable, values: pa.Array, weights: Any, bins: int, limit: int) -> Bins:
    if variable.is_string:
        return fit_strings(values, weights, min(STRINGS, limit) - 1)
    numbers = values.to_numpy(zero_copy_only=False)
    return fit_numbers(numbers, weights, min(bins, limit), few=min(2 * bins, limit))


def _mark_unwritten(
    request: SelectionRequest, profiles: list[FeatureProfile], last: int | None
) -> tuple[tuple[FeatureProfile, ...], tuple[str, ...]]:
    """Mark features as late that were never written in time, unless their complete history was written afterwards.

    For the latter it is unknown whether they were available in time.
    """
    index_of = {profile.variable.column: index for index, profile in enumerate(profiles)}
    marked, notes = list(profiles), []
    for lookup in request.lookups:
        indices = [index_of[column] for column in lookup.columns]
        timeliness = [profiles[index].timeliness for index in indices]
        if last is None or timeliness[0] is None or timeliness[0].rows >= ENOUGH:
            continue
        if _first_written(request, lookup, last) > last:
            notes.append(
                f"Nothing of {lookup.schema.name} was written before the last row of the basis: "
                "whether its values were known in time is unknown"
            )
        else:
            for index in indices:
                marked[index] = replace(profiles[index], timeliness=replace(timeliness[0], late=True))
    return tuple(marked), tuple(dict.fromkeys(notes))


def _first_written(request: SelectionRequest, lookup: Lookup, last: int) -> float:
    """Return when the first of the rows was written that are visible to the basis, in microseconds."""
    schema, spark = lookup.schema, request.rows.sparkSession
    rows = request.tables.read(spark, schema, request.join_options["versions"][schema.name])
    if schema.timestamp is not None:
        rows = rows.filter(F.unix_micros(schema.timestamp) <= last)
    first = rows.agg(F.unix_micros(F.min(str(schema.created)))).collect()[0][0]
    return math.inf if first is None else float(first)
