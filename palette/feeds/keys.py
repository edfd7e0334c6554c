"""Keys given by callers, as a list or a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame

from palette.definitions import arrow_type, widens
from palette.errors import DataError, SchemaError
from palette.offline.delta.validate import cast_column
from palette.online import RowLayout
from palette.online.codec.keys import is_absent
from palette.online.layout import key_list
from palette.online.snapshot.snapshot import pack_arrow_keys

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.definitions import Entity, GroupSchema

__all__ = ["deduplicate_keys", "keys_frame"]


def deduplicate_keys(schema: GroupSchema, keys: Iterable[Any] | DataFrame) -> list[Any]:
    """Return the distinct keys, as online stores hold them.

    Raises
    ------
    DataError, SchemaError
        If a key is null or of another type than the entity's.
    """
    if isinstance(keys, DataFrame):
        keys = _collect(schema, keys)
    layout = RowLayout(schema)
    distinct = list(dict.fromkeys(layout.key(key) for key in key_list(keys, schema.name)))
    if any(map(is_absent, distinct)):
        raise DataError(f"{schema.name}: a key has a null in {' or '.join(schema.keys)}: no row has such a key")
    return distinct


def _collect(schema: GroupSchema, keys: DataFrame) -> Iterable[Any]:
    fields = {field.name: field for field in keys.schema}
    for name, dtype in schema.keys.items():
        if name not in fields:
            raise SchemaError(
                f"{schema.name}: the keys have no column {name!r} (they have {', '.join(fields)}): the entity's "
                f"key columns are {', '.join(schema.keys)}"
            )
        if not widens(actual := fields[name].dataType.simpleString(), dtype):
            raise SchemaError(f"{schema.name}: key {name!r} is {actual}, the entity's is {dtype}: cast it")
    columns = [cast_column(fields[name], dtype) for name, dtype in schema.keys.items()]
    return pack_arrow_keys(schema.entity, keys.select(*columns).distinct().toArrow())


def keys_frame(spark: SparkSession, entity: Entity, keys: list[Any]) -> DataFrame:
    """Return keys as a DataFrame with the entity's key columns."""
    columns = [keys] if len(entity.keys) == 1 else list(zip(*keys, strict=True)) or [()] * len(entity.keys)
    arrays = [
        pa.array(list(values), arrow_type(dtype)) for values, dtype in zip(columns, entity.keys.values(), strict=True)
    ]
    return spark.createDataFrame(pa.table(arrays, names=list(entity.keys)))
