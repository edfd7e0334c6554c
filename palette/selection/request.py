"""What is asked: the rows, and the variables whose values are looked up; what cannot be ranked is told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from dsl.refs import BasisRef, FeatureRef
from palette.columns import exact_column
from palette.errors import DataError, DefinitionError, SchemaError, nearest
from palette.offline.join.join import point_in_time_join
from palette.offline.join.lookup import Lookup, check_join
from palette.offline.join.planner import pinned
from palette.selection.result import LeftOut
from palette.types import INTEGERS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.delta.tables import DeltaTables

__all__ = ["LABEL", "Asked", "Variable", "ask", "is_text", "numeric", "value"]

OWN = "basis:"
LABEL = "__palette_label"
# Longer texts count by their beginnings.
LONGEST = 200


@dataclass(frozen=True)
class Variable:
    """A feature or column whose relevance is wanted.

    Parameters
    ----------
    name : str
        Its expression.
    column : str
        What its values are called here.
    dtype : str
        Their type.
    """

    name: str
    column: str
    dtype: str

    @property
    def is_own(self) -> bool:
        """Whether it is a column of the basis."""
        return self.name.startswith(OWN)

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return is_text(self.dtype)

    @property
    def is_integer(self) -> bool:
        """Whether its values are whole numbers."""
        return self.dtype in INTEGERS


@dataclass(frozen=True)
class Asked:
    """Rows that ask for values.

    Parameters
    ----------
    tables : DeltaTables
        Where the histories are.
    rows : DataFrame
        Of the basis the join keys, the time, the label as ``LABEL``, and its own variables.
    lookups : sequence of Lookup
        What is looked up; the columns are those of the variables.
    variables : tuple of Variable
        All that may be ranked, in the order of their names.
    left_out : tuple of LeftOut
        What may not.
    how : mapping
        The arguments of the join: timestamp, versions and hint.
    point_in_time : {"event", "created"}
        What counts as known.
    """

    tables: DeltaTables
    rows: DataFrame
    lookups: Sequence[Lookup]
    variables: tuple[Variable, ...]
    left_out: tuple[LeftOut, ...]
    how: Mapping[str, Any]
    point_in_time: str

    def group_of(self, column: str) -> str | None:
        """Return the column that stands for the group that a column comes from; None of a column of the basis."""
        return next((next(iter(lookup.columns)) for lookup in self.lookups if column in lookup.columns), None)

    def joined(self, rows: DataFrame, lookups: Sequence[Lookup] | None = None) -> DataFrame:
        """Return rows with the values that were known at their times; by default those of the variables."""
        lookups = self.lookups if lookups is None else lookups
        if not lookups:
            return rows
        return point_in_time_join(self.tables, rows, lookups, point_in_time=self.point_in_time, **self.how)


def ask(
    tables: DeltaTables,
    basis: DataFrame,
    label: str,
    candidates: Iterable[tuple[FeatureRef | BasisRef, bool, str | None]],
    lookups: Callable[[Mapping[str, str]], list[Lookup]],
    *,
    timestamp: str | None,
    point_in_time: str,
    versions: Mapping[str, int] | None,
    hint: str | None,
) -> Asked:
    """Check a question against catalog, basis and tables; nothing is executed.

    Raises
    ------
    SchemaError, FeatureNotFoundError, DefinitionError, DataError
        If the label is missing or of a type that cannot be told, or what somebody named cannot be read.
    """
    types = dict(basis.dtypes)
    _check_column(basis, label, f"label {label!r}")
    if not _rankable(types[label]):
        raise SchemaError(f"label {label!r} is {types[label]}: take a number, a text or a boolean")
    left_out: list[LeftOut] = []
    wanted: dict[str, bool] = {}
    for ref, named, deprecated in candidates:
        if told := _refused(ref, label, deprecated):
            left_out.append(told)
        else:
            wanted[ref.name] = named
    found = lookups({f"__palette_{name}": name for name in wanted if not name.startswith(OWN)})
    dtypes = {name: types[name.removeprefix(OWN)] for name in wanted if name.startswith(OWN)}
    for lookup in found:
        missing = _unreadable(tables, basis, lookup, point_in_time, versions)
        for feature in lookup.columns.values():
            name = lookup.reference(feature)
            if feature in missing and not wanted[name]:
                left_out.append(LeftOut(name, "unreadable", missing[feature]))
            else:
                dtypes[name] = lookup.group.feature(feature).dtype
    left_out += [_of_no_use(name, dtype) for name, dtype in dtypes.items() if not _rankable(dtype)]
    names = sorted(name for name, dtype in dtypes.items() if _rankable(dtype))
    for name in (name for name in names if name.startswith(OWN)):
        _check_column(basis, name.removeprefix(OWN), name)
    if not names:
        told = left_out[0]
        raise DefinitionError(f"none of the {len(left_out)} candidates can be ranked: {told.feature} {told.why}")
    variables = tuple(Variable(name, f"__palette_{place}", dtypes[name]) for place, name in enumerate(names))
    kept = _kept(found, {one.name: one.column for one in variables})
    check_join(basis.schema, kept, timestamp=timestamp, point_in_time=point_in_time)
    columns = {key: exact_column(key) for lookup in kept for key in lookup.join_keys}
    columns |= {} if timestamp is None else {timestamp: exact_column(timestamp)}
    columns |= {
        one.column: exact_column(one.name.removeprefix(OWN)).alias(one.column) for one in variables if one.is_own
    }
    rows = basis.select(*columns.values(), exact_column(label).alias(LABEL))
    pins = pinned(basis.sparkSession, tables, kept, versions)
    how = {"timestamp": timestamp, "versions": pins, "hint": hint}
    return Asked(tables, rows, kept, variables, tuple(left_out), how, point_in_time)


def value(column: str, dtype: str) -> Column:
    """Return a column as it is binned: a double, or a text."""
    return (
        F.left(exact_column(column), F.lit(LONGEST))
        if is_text(dtype)
        else exact_column(column).cast("double").alias(column)
    )


def is_text(dtype: str) -> bool:
    """Tell whether values of a type are texts."""
    return dtype.startswith(("string", "char", "varchar"))


def numeric(dtype: str) -> bool:
    """Tell whether values of a type are numbers."""
    return dtype in (*INTEGERS, "float", "double") or dtype.startswith("decimal")


def _refused(ref: FeatureRef | BasisRef, label: str, deprecated: str | None) -> LeftOut | None:
    if deprecated is not None:
        return LeftOut(ref.name, "deprecated", deprecated)
    if isinstance(ref, BasisRef):
        return LeftOut(ref.name, "label", "it is the label itself") if ref.column == label else None
    return LeftOut(ref.name, "leak", f"it is looked up by the label, {label}") if label in ref.join_keys else None


def _kept(lookups: Sequence[Lookup], columns: Mapping[str, str]) -> list[Lookup]:
    """Return look-ups of the features that have a column, under its name."""
    kept = []
    for lookup in lookups:
        features = {lookup.reference(feature): feature for feature in lookup.columns.values()}
        if found := {columns[name]: feature for name, feature in features.items() if name in columns}:
            kept.append(replace(lookup, columns=found))
    return kept


def _rankable(dtype: str) -> bool:
    return numeric(dtype) or is_text(dtype) or dtype == "boolean"


def _of_no_use(name: str, dtype: str) -> LeftOut:
    times = dtype in ("timestamp", "timestamp_ntz", "date")
    remedy = "; what is computed from it (an age, an hour of the day) may tell something" if times else ""
    return LeftOut(name, "type", f"values of type {dtype} are not ranked{remedy}")


def _check_column(basis: DataFrame, name: str, what: str) -> None:
    same = basis.columns.count(name)
    if same > 1:
        raise SchemaError(f"{what}: the basis has {same} columns of that name; drop or rename one")
    if not same:
        raise SchemaError(
            f"{what}: the basis has no such column{nearest(name, basis.columns)} (it has {', '.join(basis.columns)})"
        )


def _unreadable(
    tables: DeltaTables, basis: DataFrame, lookup: Lookup, point_in_time: str, versions: Mapping[str, int] | None
) -> dict[str, str]:
    """Return the features of a group that cannot be read, with the reason."""
    group, spark = lookup.group, basis.sparkSession
    if point_in_time == "created" and group.created is None:
        why = "its group has no created column, so it is not known what was known when"
        return dict.fromkeys(lookup.columns.values(), why)
    try:
        version = tables.resolve(spark, group, (versions or {}).get(group.full_name))
    except DataError as error:
        return dict.fromkeys(lookup.columns.values(), str(error))
    written = set(tables.load(spark, group, version).columns)
    why = f"version {version} of the table has no such column yet"
    return {feature: why for feature in lookup.columns.values() if feature not in written}
