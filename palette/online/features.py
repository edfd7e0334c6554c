"""Features by key, of many groups at once and without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dsl.refs import BasisRef, parse_ref
from palette.definitions.expressions import check_join_keys, named_columns
from palette.errors import DataError, FeatureNotFoundError, PaletteError, SchemaError, nearest
from palette.online.keys import is_absent
from palette.online.table import GroupTable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from palette.definitions.expressions import Features

__all__ = ["FeatureRequest", "FeatureRows", "checked_rows"]


class FeatureRows(list[dict[str, Any]]):
    """Features of rows, a dict for each: a list, with the types of its columns.

    Parameters
    ----------
    rows : iterable of dict
        Column to value.
    types : mapping of str to str
        Column to its declared type, in order.

    Examples
    --------
    >>> rows = FeatureRows([{"dishes": 40}, {"dishes": None}], {"dishes": "bigint"})
    >>> rows[0], rows.to_arrow().schema.field("dishes").type
    ({'dishes': 40}, DataType(int64))
    """

    def __init__(self, rows: Iterable[dict[str, Any]], types: Mapping[str, str]) -> None:
        super().__init__(rows)
        self._types = dict(types)

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table, whose columns have the declared types whatever the values; times are UTC."""
        import pyarrow as pa

        from palette.definitions import arrow_type

        schema = pa.schema([(column, arrow_type(dtype)) for column, dtype in self._types.items()])
        return pa.Table.from_pylist(self, schema=schema)

    def to_pandas(self, **options: Any) -> pd.DataFrame:
        """Return a DataFrame of pandas, which must be installed.

        Parameters
        ----------
        **options
            Those of :meth:`pyarrow.Table.to_pandas`. By default integers with nulls stay integers, in a column of
            objects: as floats large ones would lose digits.
        """
        return self.to_arrow().to_pandas(**{"integer_object_nulls": True, **options})


class Lookup(NamedTuple):
    """A group that is read through some join keys."""

    table: GroupTable
    join_keys: tuple[str, ...]


class FeatureRequest:
    """Expressions that are resolved for one store.

    Parameters
    ----------
    tables : callable
        Returns the table of a full name ``entity:group``.
    features : mapping of str to str, or sequence of str
        Output column to expression, or expressions, as ``training_set`` takes them.
    status : bool
        Whether each column is followed by its status.

    Raises
    ------
    FeatureNotFoundError, SnapshotError, SchemaError
        If a name is unknown, or two columns would have the same name.
    """

    def __init__(self, tables: Callable[[str], GroupTable], features: Features, *, status: bool = False) -> None:
        self._status = status
        self._lookups: dict[tuple[str, tuple[str, ...]], Lookup] = {}
        # Column to its look-up and feature.
        self._columns: dict[str, tuple[tuple[str, tuple[str, ...]], str]] = {}
        self.types: dict[str, str] = {}
        named = named_columns(features, lambda group: tables(group).group)
        for column, name in named.items():
            self._add(tables, column, name)
            if status:
                if f"{column}__status" in named:
                    raise SchemaError(f"column {column!r}: its status has the name of another column")
                self.types[f"{column}__status"] = "string"

    def _add(self, tables: Callable[[str], GroupTable], column: str, name: str) -> None:
        ref = parse_ref(name)
        if isinstance(ref, BasisRef):
            raise FeatureNotFoundError(f"{name!r} is a column of the basis and needs no look-up")
        group = f"{ref.entity}:{ref.group}"
        try:
            table = tables(group)
            feature = table.group.feature(ref.feature)
        except FeatureNotFoundError as error:
            raise FeatureNotFoundError(f"{name!r}: {error}") from error
        check_join_keys(ref, table.entity)
        place = (group, ref.join_keys)
        self._lookups.setdefault(place, Lookup(table, ref.join_keys))
        self._columns[column] = (place, feature.name)
        self.types[column] = feature.dtype

    def keys(self, rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
        """Return the key of each look-up for each row, as its table holds it.

        Raises
        ------
        DataError
            If a row lacks a join key, or a key has the wrong type.
        """
        return [[_key(lookup, row, number) for lookup in self._lookups.values()] for number, row in enumerate(rows)]

    def requests(self, keys: Sequence[Sequence[Any]]) -> dict[tuple[str, Any], GroupTable]:
        """Return the distinct (group, key) to read, each with its table; nobody is asked for a null key."""
        lookups = [(group, lookup.table) for (group, _), lookup in self._lookups.items()]
        return {
            (group, key): table
            for row in keys
            for (group, table), key in zip(lookups, row, strict=True)
            if not is_absent(key)
        }

    def answer(
        self, keys: Sequence[Sequence[Any]], found: Mapping[tuple[str, Any], tuple[Any, ...] | None], now: int
    ) -> FeatureRows:
        """Return the features of each row, out of the packed rows of :meth:`requests`, at ``now`` (microseconds)."""
        seen: dict[tuple[str, Any], dict[str, Any]] = {}
        rows = []
        for row in keys:
            values = {}
            for (place, lookup), key in zip(self._lookups.items(), row, strict=True):
                request = (place[0], key)
                if request not in seen:
                    seen[request] = lookup.table.answer(found.get(request), now, status=self._status)
                values[place] = seen[request]
            rows.append(self._row(values))
        return FeatureRows(rows, self.types)

    def _row(self, values: Mapping[tuple[str, tuple[str, ...]], Mapping[str, Any]]) -> dict[str, Any]:
        if not self._status:
            return {column: values[place][feature] for column, (place, feature) in self._columns.items()}
        row = {}
        for column, (place, feature) in self._columns.items():
            row[column] = values[place][feature]
            row[f"{column}__status"] = values[place][f"{feature}__status"]
        return row


def checked_rows(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows as a list, or raise :class:`DataError` where they are something else than mappings."""
    if isinstance(rows, (str, Mapping)) or hasattr(rows, "columns") or not isinstance(rows, Iterable):
        raise DataError(
            f"rows: expected a list of mappings with the join keys, found {type(rows).__name__} (one row: [row]; of a "
            "DataFrame of pandas: df.to_dict('records'), of polars: df.to_dicts(), of Arrow: table.to_pylist())"
        )
    listed = list(rows)
    for number, row in enumerate(listed):
        if not isinstance(row, Mapping):
            raise DataError(f"row {number}: expected a mapping of column to value, found {type(row).__name__}")
    return listed


def _key(lookup: Lookup, row: Mapping[str, Any], number: int) -> Any:
    for column in lookup.join_keys:
        if column not in row:
            raise DataError(
                f"row {number} lacks the join key {column!r} of {lookup.table.group.full_name}"
                f"{nearest(column, map(str, row))} (it has {', '.join(map(str, row)) or 'none'}); "
                "a key that is not known is None"
            )
    # As a mapping, so that a value that is a list or mapping is not read as several parts.
    parts = {key: row[column] for key, column in zip(lookup.table.entity.keys, lookup.join_keys, strict=True)}
    try:
        return lookup.table.key(parts, asked=True)
    except PaletteError as error:
        raise DataError(f"row {number}: {error}") from error
