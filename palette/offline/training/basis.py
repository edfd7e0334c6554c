"""The basis of a training set: read, identified, split into chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.errors import DataError
from palette.offline.files.dataframes import parse_location, read_frame
from palette.offline.join.request import spread_number
from palette.offline.training.counts import content_sum
from palette.offline.training.target import delta_name
from palette.types import widens

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.offline.join.lookup import Lookup

__all__ = ["Basis", "basis_types", "identify_basis"]


@dataclass(frozen=True)
class Basis:
    """Rows that are the same whenever they are read again, or are known to differ.

    Parameters
    ----------
    rows : DataFrame
        The rows; of a Delta table those of ``version``.
    identity : str
        The table, or a digest of the contents.
    version : int, optional
        The version of a Delta table.
    chunks : tuple of (int, int), optional
        For each chunk its rows, and the sum of their hashes; not for a Delta table, whose versions never change.
    """

    rows: DataFrame
    identity: str
    version: int | None
    chunks: tuple[tuple[int, int], ...] | None

    def chunk(self, number: int, chunks: int) -> DataFrame:
        """Return a chunk, from 1: the same rows in every session, since their values decide."""
        return self.rows.filter(spread_number(self.rows, chunks) == number - 1)


def identify_basis(spark: SparkSession, source: DataFrame | str, rows: DataFrame, chunks: int) -> Basis:
    """Return a basis that is read several times.

    Parameters
    ----------
    source : DataFrame or str
        The argument of the caller: a Delta table is identified by its id, other rows by their contents, which are
        read once here.
    rows : DataFrame
        Its rows.
    chunks : int
        The number of chunks.
    """
    if isinstance(source, str) and (table := _delta_version(spark, source)) is not None:
        identity, version = table
        return at_version(spark, source, Basis(rows, f"table {identity}", version, None), version)
    names = rows.columns
    sums = rows.groupBy(spread_number(rows, chunks).alias("chunk")).agg(
        F.count(F.lit(1)).alias("rows"), content_sum(rows, names).alias("content")
    )
    by_chunk = {row.chunk: (int(row.rows), int(row.content)) for row in sums.collect()}
    contents = tuple(by_chunk.get(number, (0, 0)) for number in range(chunks))
    digest = hashlib.sha256(repr((contents, rows.dtypes)).encode()).hexdigest()[:16]
    count = sum(each for each, _ in contents)
    return Basis(rows, f"{count:,} rows with digest {digest}", None, contents)


def at_version(spark: SparkSession, source: DataFrame | str, basis: Basis, version: int | None) -> Basis:
    """Return a basis of another version of its table; as it is if it is not a Delta table.

    Raises
    ------
    DataError
        If there is no such version any more.
    """
    from pyspark.errors import AnalysisException

    if version is None or not isinstance(source, str):
        return basis
    form, location = parse_location(source)
    reader = spark.read.format("delta").option("versionAsOf", version)
    try:
        rows = reader.table(location) if form == "table" else reader.load(location)
    except AnalysisException as error:
        raise DataError(
            f"{source!r:.500}: version {version} cannot be read: {str(error).splitlines()[0]:.500}"
        ) from error
    return Basis(rows, basis.identity, version, None)


def _delta_version(spark: SparkSession, source: str) -> tuple[str, int] | None:
    """Return id and newest version of a Delta table; None if the source is not one."""
    from pyspark.errors import AnalysisException

    form, location = parse_location(source)
    if form not in ("delta", "table"):
        return None
    name = delta_name(form, location)
    try:
        detail = spark.sql(f"DESCRIBE DETAIL {name}").select("format", "id").collect()[0]
        if detail.format != "delta":
            return None
        return str(detail.id), int(spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1").collect()[0].version)
    except AnalysisException:
        # A view, or a temporary one.
        return None


def basis_types(lookups: Iterable[Lookup], timestamp: str | None = None) -> dict[str, str]:
    """Return the types that join keys and timestamps of a basis must have."""
    types = {} if timestamp is None else {timestamp: "timestamp"}
    for lookup in lookups:
        for column, dtype in zip(lookup.join_keys, lookup.schema.keys.values(), strict=True):
            if column not in types or widens(types[column], dtype):
                types[column] = dtype
    return types


def read_basis(spark: SparkSession, source: DataFrame | str, types: Mapping[str, str]) -> DataFrame:
    """Return the rows of a basis; see :func:`palette.offline.files.dataframes.read_frame`."""
    return read_frame(spark, source, types=types) if isinstance(source, str) else source
