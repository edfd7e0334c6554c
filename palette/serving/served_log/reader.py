"""Reads of the served log, without Spark."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from palette.errors import DataError
from palette.paths import COPY_HERE, local_path
from palette.serving.served_log.files import require_deltalake
from palette.times import utc

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read"]


def read(
    directory: str | Path,
    model: str,
    start: dt.datetime | str | None = None,
    end: dt.datetime | str | None = None,
) -> pa.Table:
    """Return the rows of a model that were served from ``start`` on and before ``end``, oldest first.

    Parameters
    ----------
    directory : str or Path
        The directory of the log; of Parquet files or of Delta tables.
    model : str
        Name of the model.
    start, end : datetime or str, optional
        Limits of ``served_at``; naive is UTC. By default all rows are read.

    Returns
    -------
    pyarrow.Table
        The columns that :class:`palette.serving.served_log.writer.ServedLog` writes. Columns that only some versions
        of the model have are null in rows of the others.

    Raises
    ------
    DataError
        If nothing was logged for the model, or a column changed its type so that no type holds both.
    DefinitionError
        If the log is a Delta table, and deltalake is not installed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    home = local_path(directory, "a served log", COPY_HERE)
    folder = home / model
    if not folder.is_dir():
        models = ", ".join(repr(path.name) for path in sorted(home.glob("*/")))
        there_is = f"; there is {models}" if models else ""
        raise DataError(f"no served log of model {model!r} in {str(directory)!r}{there_is}")
    limits = (
        None if start is None else pc.field("served_at") >= _scalar(start),
        None if end is None else pc.field("served_at") < _scalar(end),
    )
    is_delta = (folder / "_delta_log").is_dir()
    tables = _delta_tables(folder) if is_delta else _parquet_tables(folder, start)
    for limit in limits:
        if limit is not None:
            tables = [table.filter(limit) for table in tables]
    try:
        return pa.concat_tables(tables, promote_options="permissive").sort_by("served_at")
    except pa.ArrowException as error:
        raise DataError(f"the served log of model {model!r} has columns of several types: {error}") from error


def _scalar(time: dt.datetime | str) -> pa.Scalar:
    import pyarrow as pa

    return pa.scalar(utc(time).replace(tzinfo=dt.UTC), pa.timestamp("us", tz="UTC"))


def _parquet_tables(folder: Path, start: dt.datetime | str | None) -> list[pa.Table]:
    import pyarrow.parquet as pq

    # A file is in the folder of the day on which it was written: its rows were served on that day or before.
    earliest = "" if start is None else utc(start).date().isoformat()
    files = sorted(file for file in folder.glob("*/*.parquet") if file.parent.name >= earliest)
    if not files:
        files = sorted(folder.glob("*/*.parquet"))[:1]
    if not files:
        raise DataError(f"no served rows in {str(folder)!r}")
    return [pq.ParquetFile(file).read() for file in files]


def _delta_tables(folder: Path) -> list[pa.Table]:
    require_deltalake()
    from deltalake import DeltaTable

    return [DeltaTable(str(folder)).to_pyarrow_table().drop_columns("day")]
