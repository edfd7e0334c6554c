"""Features by key, of many groups at once and without a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dsl.refs import BasisRef, parse_ref
from dsl.row_mappings import to_mappings
from palette.definitions.expressions import check_join_keys, named_columns
from palette.errors import DataError, FeatureNotFoundError, MissingColumnError, PaletteError, SchemaError, nearest
from palette.online.codec.keys import is_absent
from palette.online.layout import Request, Row, RowLayout

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from palette.definitions.expressions import Features

__all__ = ["FeatureRequest", "FeatureRows"]


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

    layout: RowLayout
    join_keys: tuple[str, ...]

    @property
    def group(self) -> str:
        """The full name of the group."""
        return self.layout.name

    @property
    def types(self) -> dict[str, str]:
        """The join keys, with the types of the entity's keys."""
        return dict(zip(self.join_keys, self.layout.entity.keys.values(), strict=True))

    def keys(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the key of each row, as rows have it."""
        try:
            if len(self.join_keys) == 1:
                (column,) = self.join_keys
                parts = [row[column] for row in rows]
                if not any(isinstance(part, Mapping) for part in parts):
                    return self.layout.lookup_keys(parts)
            return [self._key(row) for row in rows]
        except (KeyError, PaletteError) as error:
            raise self._fault(rows, error) from None

    def _key(self, row: Mapping[str, Any]) -> Any:
        # As a mapping, so that a value that is a list or mapping is not read as several parts.
        parts = {key: row[column] for key, column in zip(self.layout.entity.keys, self.join_keys, strict=True)}
        return self.layout.lookup_key(parts)

    def _fault(self, rows: Sequence[Mapping[str, Any]], error: Exception) -> Exception:
        """Return what is wrong with the first row that has no key."""
        for number, row in enumerate(rows):
            for column in self.join_keys:
                if column not in row:
                    return MissingColumnError(
                        f"row {number} lacks the join key {column!r} of {self.group}{nearest(column, map(str, row))} "
                        f"(it has {', '.join(map(str, row)) or 'none'}); a key that is not known is None"
                    )
            try:
                self._key(row)
            except PaletteError as fault:
                return DataError(f"row {number}: {fault}")
        return error


class FeatureRequest:
    """Expressions that are resolved for one store.

    Parameters
    ----------
    layouts : callable
        Returns the layout of a full name ``entity:group``.
    features : mapping of str to str, or sequence of str
        Output column to expression, or expressions, as ``training_set`` takes them.
    status : bool
        Whether each column is followed by its status.

    Raises
    ------
    FeatureNotFoundError, SnapshotError, SchemaError
        If a name is unknown, none is given, or two columns would have the same name.
    """

    def __init__(self, layouts: Callable[[str], RowLayout], features: Features, *, status: bool = False) -> None:
        self._status = status
        # Each once: all columns of a group are of one definition.
        layouts = functools.cache(layouts)
        self._lookups: dict[tuple[str, tuple[str, ...]], Lookup] = {}
        # Each column, the index of its look-up, and its feature there.
        self._columns: list[tuple[str, int, str]] = []
        self.types: dict[str, str] = {}
        named = named_columns(features, lambda group: layouts(group).group)
        if not named:
            raise SchemaError("features: expected at least one expression, found none")
        for column, name in named.items():
            self._add(layouts, column, name)
            if status:
                if f"{column}__status" in named:
                    raise SchemaError(f"column {column!r}: its status has the name of another column")
                self.types[f"{column}__status"] = "string"

    def _add(self, layouts: Callable[[str], RowLayout], column: str, name: str) -> None:
        ref = parse_ref(name)
        if isinstance(ref, BasisRef):
            raise FeatureNotFoundError(f"{name!r} is a column of the basis and needs no look-up")
        group = f"{ref.entity}:{ref.group}"
        try:
            layout = layouts(group)
            feature = layout.group.feature(ref.feature)
        except FeatureNotFoundError as error:
            raise FeatureNotFoundError(f"{name!r}: {error}") from error
        check_join_keys(ref, layout.entity)
        self._lookups.setdefault((group, ref.join_keys), Lookup(layout, ref.join_keys))
        self._columns.append((column, list(self._lookups).index((group, ref.join_keys)), feature.name))
        self.types[column] = feature.dtype

    def keys(self, rows: Any) -> list[list[Any]]:
        """Return for each look-up the keys of the rows.

        Raises
        ------
        DataError
            If rows are not mappings, a row lacks a join key, or a key has the wrong type.
        """
        lookups = self._lookups.values()
        types = {column: dtype for one in lookups for column, dtype in one.types.items()}
        listed = _mappings(rows, types)
        return [lookup.keys(listed) for lookup in lookups]

    def requests(self, keys: Sequence[Sequence[Any]]) -> list[Request]:
        """Return the distinct (group, key) to read; a null key is not looked up."""
        requests = {
            (lookup.group, key): None
            for lookup, some in zip(self._lookups.values(), keys, strict=True)
            for key in some
            if not is_absent(key)
        }
        return list(requests)

    def answer(self, keys: Sequence[Sequence[Any]], packed: Mapping[Request, Row | None], now: int) -> FeatureRows:
        """Return the features of the rows, out of the packed rows of :meth:`requests`, at ``now`` (microseconds)."""
        answers = []
        for lookup, some in zip(self._lookups.values(), keys, strict=True):
            group = lookup.group
            own = [packed.get((group, key)) for key in some]
            answers.append(lookup.layout.answers(own, now, status=self._status))
        columns = self._columns
        if self._status:
            columns = [
                entry
                for column, index, feature in columns
                for entry in ((column, index, feature), (f"{column}__status", index, f"{feature}__status"))
            ]
        rows = (
            {name: values[index][feature] for name, index, feature in columns} for values in zip(*answers, strict=True)
        )
        return FeatureRows(rows, self.types)


def _mappings(rows: Any, types: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return rows as mappings, whose keys have the given types."""
    if isinstance(rows, (str, Mapping)):
        raise DataError(
            f"rows: expected a list of mappings with the join keys, found {type(rows).__name__}; one row: [row]"
        )
    if hasattr(rows, "sparkSession"):
        raise DataError(
            "rows is a DataFrame of Spark: store.training_set looks features up for it, or pass rows.collect()"
        )
    return to_mappings(rows, types, DataError)
