"""Files of the served log: Parquet files by day, or one Delta table for each model."""

from __future__ import annotations

import datetime as dt
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from palette.errors import DefinitionError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DeltaTables", "ParquetFiles", "ServedFiles", "require_deltalake"]


class ServedFiles(Protocol):
    """Storage of tables of served rows."""

    def write(self, model: str, table: pa.Table) -> None:
        """Write a table, completely or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """


class ParquetFiles:
    """Files ``DIRECTORY/MODEL/YYYY-MM-DD/TIME-PROCESS-NUMBER.parquet``.

    Parameters
    ----------
    directory : Path
        The directory of the log.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count()

    def write(self, model: str, table: pa.Table) -> None:
        """Write a file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        now = dt.datetime.now(dt.UTC)
        folder = self._directory / model / now.strftime("%Y-%m-%d")
        name = f"{now.strftime('%H%M%S.%f')}-{os.getpid()}-{next(self._numbers)}.parquet"
        unfinished = folder / f".{name}.unfinished"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, unfinished, compression="zstd")
            unfinished.rename(folder / name)
        except pa.ArrowException as error:
            raise OSError(str(error)) from error
        finally:
            unfinished.unlink(missing_ok=True)


class DeltaTables:
    """Delta tables ``DIRECTORY/MODEL``, partitioned by ``day``.

    A column that is new in a version of a model is added; rows whose columns changed their types are rejected.

    Parameters
    ----------
    directory : Path
        The directory of the log.

    Raises
    ------
    DefinitionError
        If deltalake is not installed.
    """

    def __init__(self, directory: Path) -> None:
        require_deltalake()
        self._directory = directory

    def write(self, model: str, table: pa.Table) -> None:
        """Append to the table of a model."""
        import pyarrow.compute as pc
        from deltalake import write_deltalake
        from deltalake.exceptions import DeltaError

        days = pc.strftime(table["served_at"], "%Y-%m-%d").cast("date32")
        try:
            write_deltalake(
                str(self._directory / model),
                table.append_column("day", days),
                mode="append",
                schema_mode="merge",
                partition_by=["day"],
            )
        except DeltaError as error:
            raise OSError(str(error)) from error


def require_deltalake() -> None:
    """Raise :class:`DefinitionError` if deltalake is not installed."""
    try:
        import deltalake  # noqa: F401
    except ImportError:
        raise DefinitionError(
            "a served log in Delta needs deltalake; pip install 'palette-features[delta-log]'"
        ) from None
