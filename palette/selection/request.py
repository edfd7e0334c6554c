"""Validated selection requests: the rows, and the variables whose values are looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from dsl.refs import BasisRef, FeatureRef
from palette.columns import exact_column
from palette.errors import ArgumentError, DataError, SchemaError, nearest
from palette.offline.join.join import point_in_time_join
from palette.offline.join.lookup import Lookup
from palette.offline.join.planner import open_versions
from palette.offline.join.validate import check_join
from palette.selection.records import LeftOut
from palette.types import INTEGERS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.delta.tables import DeltaTables

__all__ = ["LABEL", "SelectionRequest", "Variable", "binned_value", "is_numeric", "is_string", "make_request"]

BASIS = "basis:"
LABEL = "__palette_label"
# Longer strings are truncated.
LONGEST = 200


@dataclass(frozen=True)
class Variable:
    """A feature or column to be ranked.

    Parameters
    ----------
    name : str
        Its expression.
    column : str
        The internal column of its values.
    dtype : str
        Their type.
    """

    name: str
    column: str
    dtype: str

    @property
    def is_basis_column(self) -> bool:
        """Whether it is a column of the basis."""
        return self.name.startswith(BASIS)

    @property
    def is_string(self) -> bool:
        """Whether its values are strings."""
        return is_string(self.dtype)

    @property
    def is_integer(self) -> bool:
        """Whether its values are integers."""
        return self.dtype in INTEGERS


@dataclass(frozen=True)
class SelectionRequest:
    """Rows, and the variables to be ranked.

    Parameters
    ----------
    tables : DeltaTables
        Where the histories are.
    rows : DataFrame
        Columns of the basis: the join keys, the time, the label as ``LABEL``, and its own variables.
    lookups : sequence of Lookup
        The look-ups; their columns are those of the variables.
    variables : tuple of Variable
        All that may be ranked, in the order of their names.
    left_out : tuple of LeftOut
        Candidates that may not be ranked.
    join_options : mapping
        The arguments of the join: timestamp, versions and hint.
    point_in_time : {"event", "created"}
        The point-in-time mode.
    """

    tables: DeltaTables
    rows: DataFrame
    lookups: Sequence[Lookup]
    variables: tuple[Variable, ...]
    left_out: tuple[LeftOut, ...]
    join_options: Mapping[str, Any]
    point_in_time: str

    def group_id(self, column: str) -> str | None:
        """Return the first column of the group that a column comes from; None for a column of the basis."""
        return next((next(iter(lookup.columns)) for lookup in self.lookups if column in lookup.columns), None)

    def join(self, rows: DataFrame, lookups: Sequence[Lookup] | None = None) -> DataFrame:
        """Return rows with the values that were known at their times; by default those of the variables."""
        lookups = self.lookups if lookups is None else lookups
        if not lookups:
            return rows
        return point_in_time_join(self.tables, rows, lookups, point_in_time=self.point_in_time, **self.join_options)


def make_request(
    tables: DeltaTables,
    basis: DataFrame,
    label: str,
    candidates: Iterable[tuple[FeatureRef | BasisRef, bool, str | None]],
    lookups: Callable[[Mapping[str, str]], Sequence[Lookup]],
    *,
    timestamp: str | None,
    point_in_time: str,
    versions: Mapping[str, int] | None,
    hint: str | None,
) -> SelectionRequest:
    """Validate a request against catalog, basis and tables; nothing is executed.

    Parameters
    ----------
    candidates : iterable of (parsed name, bool, str or None)
        Each with whether it was named explicitly, and why it is deprecated.
    lookups : callable
        Resolves output columns to look-ups.

    Raises
    ------
    SchemaError, FeatureNotFoundError, ArgumentError, DataError
        If the label is missing or of an unsupported type, or an explicitly named candidate cannot be read.
    """
    types = dict(basis.dtypes)
    _check_column(basis, label, f"label {label!r}")
    if not _is_rankable(types[label]):
        raise SchemaError(f"label {label!r} is {types[label]}: expected a number, a string or a boolean")
    left_out: list[LeftOut] = []
    explicit: dict[str, bool] = {}
    for ref, named, deprecated in candidates:
        if excluded := _exclude(ref, label, deprecated):
            left_out.append(excluded)
        else:
            explicit[ref.name] = named
    resolved = lookups({f"__palette_{name}": name for name in explicit if not name.startswith(BASIS)})
    dtypes = {name: types[name.removeprefix(BASIS)] for name in explicit if name.startswith(BASIS)}
    for lookup in resolved:
        missing = _missing_features(tables, basis, lookup, point_in_time, versions)
        for feature in lookup.columns.values():
            name = lookup.reference(feature)
            if feature in missing and not explicit[name]:
                left_out.append(LeftOut(name, "unreadable", missing[feature]))
            else:
                dtypes[name] = lookup.group.feature(feature).dtype
    left_out += [_unrankable(name, dtype) for name, dtype in dtypes.items() if not _is_rankable(dtype)]
    names = sorted(name for name, dtype in dtypes.items() if _is_rankable(dtype))
    for name in (name for name in names if name.startswith(BASIS)):
        _check_column(basis, name.removeprefix(BASIS), name)
    if not names:
        first = left_out[0]
        raise ArgumentError(f"none of the {len(left_out)} candidates can be ranked: {first.feature} {first.why}")
    variables = tuple(Variable(name, f"__palette_{index}", dtypes[name]) for index, name in enumerate(names))
    rankable = _restrict(resolved, {variable.name: variable.column for variable in variables})
    check_join(basis.schema, rankable, timestamp=timestamp, point_in_time=point_in_time)
    columns = {key: exact_column(key) for lookup in rankable for key in lookup.join_keys}
    columns |= {} if timestamp is None else {timestamp: exact_column(timestamp)}
    columns |= {
        variable.column: exact_column(variable.name.removeprefix(BASIS)).alias(variable.column)
        for variable in variables
        if variable.is_basis_column
    }
    rows = basis.select(*columns.values(), exact_column(label).alias(LABEL))
    opened = open_versions(basis.sparkSession, tables, rankable, versions)
    numbers = {name: version.number for name, version in opened.items()}
    join_options = {"timestamp": timestamp, "versions": numbers, "hint": hint}
    return SelectionRequest(tables, rows, rankable, variables, tuple(left_out), join_options, point_in_time)


def binned_value(column: str, dtype: str) -> Column:
    """Return a column as it is binned: a double, or a string."""
    if is_string(dtype):
        return F.left(exact_column(column), F.lit(LONGEST))
    return exact_column(column).cast("double").alias(column)


def is_string(dtype: str) -> bool:
    """Return whether values of a type are strings."""
    return dtype.startswith(("string", "char", "varchar"))


def is_numeric(dtype: str) -> bool:
    """Return whether values of a type are numbers."""
    return dtype in (*INTEGERS, "float", "double") or dtype.startswith("decimal")


def _exclude(ref: FeatureRef | BasisRef, label: str, deprecated: str | None) -> LeftOut | None:
    if deprecated is not None:
        return LeftOut(ref.name, "deprecated", deprecated)
    if isinstance(ref, BasisRef):
        return LeftOut(ref.name, "label", "it is the label itself") if ref.column == label else None
    return LeftOut(ref.name, "leak", f"it is looked up by the label, {label}") if label in ref.join_keys else None


def _restrict(lookups: Sequence[Lookup], columns: Mapping[str, str]) -> list[Lookup]:
    """Return look-ups of the features that have a column, under its name."""
    restricted = []
    for lookup in lookups:
        features = {lookup.reference(feature): feature for feature in lookup.columns.values()}
        if named := {columns[name]: feature for name, feature in features.items() if name in columns}:
            restricted.append(replace(lookup, columns=named))
    return restricted


def _is_rankable(dtype: str) -> bool:
    return is_numeric(dtype) or is_string(dtype) or dtype == "boolean"


def _unrankable(name: str, dtype: str) -> LeftOut:
    times = dtype in ("timestamp", "timestamp_ntz", "date")
    remedy = "; what is computed from it (an age, an hour of the day) may be informative" if times else ""
    return LeftOut(name, "type", f"values of type {dtype} are not ranked{remedy}")


def _check_column(basis: DataFrame, name: str, what: str) -> None:
    same = basis.columns.count(name)
    if same > 1:
        raise SchemaError(f"{what}: the basis has {same} columns of that name; drop or rename one")
    if not same:
        raise SchemaError(
            f"{what}: the basis has no such column{nearest(name, basis.columns)} (it has {', '.join(basis.columns)})"
        )


def _missing_features(
    tables: DeltaTables, basis: DataFrame, lookup: Lookup, point_in_time: str, versions: Mapping[str, int] | None
) -> dict[str, str]:
    """Return the features of a group that cannot be read, with the reason."""
    schema, spark = lookup.schema, basis.sparkSession
    if point_in_time == "created" and schema.created is None:
        why = "its group has no created column, so it is not known what was known when"
        return dict.fromkeys(lookup.columns.values(), why)
    try:
        version = tables.open(spark, schema, (versions or {}).get(schema.name))
    except DataError as error:
        return dict.fromkeys(lookup.columns.values(), str(error))
    why = f"version {version.number} of the table has no such column yet"
    return {feature: why for feature in lookup.columns.values() if feature not in version.stored.names}
