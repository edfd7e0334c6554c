"""Keys that callers name, as a list or a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame

from palette.definitions import arrow_type, widens
from palette.errors import DataError, SchemaError
from palette.offline.delta.validate import converted
from palette.online import GroupTable
from palette.online.codec.keys import is_absent
from palette.online.snapshot.snapshot import packed_keys
from palette.online.table import key_list

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.definitions import Entity, FeatureGroup

__all__ = ["keys_frame", "listed_keys"]


def listed_keys(entity: Entity, group: FeatureGroup, keys: Iterable[Any] | DataFrame) -> list[Any]:
    """Return the keys, each once, as online stores hold them.

    Raises
    ------
    DataError, SchemaError
        If one is null or of another type than the entity's.
    """
    if isinstance(keys, DataFrame):
        keys = _collected(entity, group, keys)
    table = GroupTable(entity, group)
    found = list(dict.fromkeys(table.key(key) for key in key_list(keys, group.full_name)))
    if any(map(is_absent, found)):
        raise DataError(f"{group.full_name}: a key without {' or '.join(entity.keys)}: no row has such a key")
    return found


def _collected(entity: Entity, group: FeatureGroup, keys: DataFrame) -> Iterable[Any]:
    fields = {field.name: field for field in keys.schema}
    for name, dtype in entity.keys.items():
        if name not in fields:
            raise SchemaError(
                f"{group.full_name}: the keys have no column {name!r} (they have {', '.join(fields)}): the entity's "
                f"key columns are {', '.join(entity.keys)}"
            )
        if not widens(found := fields[name].dataType.simpleString(), dtype):
            raise SchemaError(f"{group.full_name}: key {name!r} is {found}, the entity's is {dtype}: cast it")
    columns = [converted(fields[name], dtype) for name, dtype in entity.keys.items()]
    return packed_keys(entity, keys.select(*columns).distinct().toArrow())


def keys_frame(spark: SparkSession, entity: Entity, keys: list[Any]) -> DataFrame:
    """Return the keys as columns."""
    columns = [keys] if len(entity.keys) == 1 else list(zip(*keys, strict=True)) or [()] * len(entity.keys)
    arrays = [
        pa.array(list(values), arrow_type(dtype)) for values, dtype in zip(columns, entity.keys.values(), strict=True)
    ]
    return spark.createDataFrame(pa.table(arrays, names=list(entity.keys)))
