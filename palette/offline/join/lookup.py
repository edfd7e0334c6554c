"""What is asked, checked before anything is read: the columns of the basis and the names of the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T

from palette.errors import DefinitionError, SchemaError, nearest
from palette.offline.point_in_time import check_point_in_time
from palette.offline.times import is_time

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.definitions import Entity, FeatureGroup

__all__ = ["Lookup", "check_join", "check_stream", "check_time"]


@dataclass(frozen=True)
class Lookup:
    """What is asked of one feature group through one join key.

    Parameters
    ----------
    entity, group
        Where the values are.
    join_keys : tuple of str
        Columns of the basis, in the order of the entity's keys.
    columns : mapping of str to str
        New column to the name of a feature of the group.

    Examples
    --------
    >>> from palette.definitions import Entity, Feature, FeatureGroup
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> lookup = Lookup(Entity("restaurant", keys={"id": "string"}), menu, ("r_id",), {"n": "dishes"})
    >>> lookup.reference("dishes")
    'restaurant:menu:dishes:r_id'
    """

    entity: Entity
    group: FeatureGroup
    join_keys: tuple[str, ...]
    columns: Mapping[str, str]

    def reference(self, feature: str) -> str:
        """Return the canonical name of a feature as it is read here."""
        return f"{self.group.full_name}:{feature}:{','.join(self.join_keys)}"

    def metadata(self, feature: str, version: int) -> dict[str, Any]:
        """Return what a column that holds this feature says about itself."""
        declared = self.group.feature(feature)
        default = declared.constant
        if isinstance(default, list):
            # As JSON text: lists in Spark's metadata are of one type, and without nulls.
            default = json.dumps(default)
        told = {"ref": self.reference(feature), "type": declared.dtype, "default": default}
        return {"feature": {**told, "version": version}}


def check_join(
    schema: T.StructType,
    lookups: Sequence[Lookup],
    *,
    timestamp: str | None,
    point_in_time: str = "event",
    status: bool = False,
) -> None:
    """Refuse what cannot be answered for a basis of this schema.

    Raises
    ------
    SchemaError
        If a column is missing, exists already, or has the wrong type.
    DefinitionError
        If the group cannot answer ``point_in_time="created"``.
    FeatureNotFoundError
        If a group has no feature of a name asked for.
    """
    check_time(schema, timestamp)
    taken = {name.lower(): "the basis has a column" for name in schema.names}
    for lookup in lookups:
        check_point_in_time(lookup.group, point_in_time)
        _check_keys(schema, lookup)
        for column, feature in lookup.columns.items():
            lookup.group.feature(feature)
            for name in (column, f"{column}__status") if status else (column,):
                if where := taken.get(name.lower()):
                    raise SchemaError(f"{where} {name!r} already: rename it, or call the feature's column otherwise")
                taken[name.lower()] = "the features asked for make a column"


def check_time(schema: T.StructType, timestamp: str | None) -> None:
    """Refuse a timestamp column that is missing or holds no times; None is accepted.

    Raises
    ------
    SchemaError
        If there is no such column, or it has another type.
    """
    if timestamp is None:
        return
    dtype = _column(schema, timestamp, "timestamp column")
    if not is_time(dtype):
        raise SchemaError(
            f"timestamp column {timestamp!r} is {dtype.simpleString()}: cast it to timestamp "
            f"(F.timestamp_seconds for seconds since 1970)"
        )


def check_stream(
    basis: DataFrame, lookups: Sequence[Lookup], *, timestamp: str | None, versions: Mapping[str, int] | None
) -> None:
    """Refuse a stream whose answers would be those of the moment at which its query is made, for ever.

    Raises
    ------
    DefinitionError
        Unless each row has its own time, and the version of each group is given.
    """
    named = versions or {}
    if not basis.isStreaming or (timestamp and all(lookup.group.full_name in named for lookup in lookups)):
        return
    raise DefinitionError(
        "the basis is a stream: its query would read the tables as they are now for as long as it runs. Join each "
        "micro-batch: basis.writeStream.foreachBatch(lambda batch, number: ...), with training_set or transform of "
        "batch in it; or, where the rows have times, give version= of each group to read just these versions"
    )


def _check_keys(schema: T.StructType, lookup: Lookup) -> None:
    entity, declared = lookup.entity, list(lookup.entity.keys.items())
    if len(lookup.join_keys) != len(declared):
        raise DefinitionError(
            f"entity {entity.name!r} has {len(declared)} key columns ({', '.join(entity.keys)}), "
            f"found {len(lookup.join_keys)} join keys ({', '.join(lookup.join_keys)})"
        )
    for column, (key, wanted) in zip(lookup.join_keys, declared, strict=True):
        dtype = _column(schema, column, f"join key of {lookup.group.full_name}")
        integers = isinstance(dtype, T.IntegralType) and wanted in ("tinyint", "smallint", "int", "bigint")
        times = isinstance(dtype, T.TimestampNTZType) and wanted == "timestamp"
        if dtype.simpleString() != wanted and not integers and not times:
            raise SchemaError(
                f"join key {column!r} is {dtype.simpleString()}, key {key!r} of entity {entity.name!r} is {wanted}: "
                f"cast the column to {wanted}"
            )


def _column(schema: T.StructType, name: str, what: str) -> T.DataType:
    same = [field for field in schema if field.name.lower() == name.lower()]
    if len(same) > 1:
        raise SchemaError(f"{what} {name!r}: the basis has {len(same)} columns of that name; drop or rename one")
    if not same or same[0].name != name:
        raise SchemaError(
            f"{what} {name!r}: the basis has no such column{nearest(name, schema.names)} "
            f"(it has {', '.join(schema.names)})"
        )
    return same[0].dataType
