"""Files of saved Spark ML stages, read without Spark: metadata in JSON, data in Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.errors import DataError
from palette.paths import COPY_HERE, local_path

if TYPE_CHECKING:
    from palette.serving.stages.sources import Data

__all__ = ["SavedFiles", "is_saved", "matrix", "vector"]


def is_saved(path: str | Path) -> bool:
    """Return whether a directory holds what ``model.save(path)`` of Spark ML writes."""
    return any((local_path(path, "a saved pipeline", COPY_HERE) / "metadata").glob("part-*"))


class SavedFiles:
    """The directory of a saved stage or pipeline.

    Parameters
    ----------
    path : Path
        The directory that ``stage.save(path)`` wrote.

    Attributes
    ----------
    name, spark_class, spark_version : str
        The stage's uid, the class that was saved, and the version of Spark that saved it.
    params : dict
        Param to value: what was set, else the default that was saved.

    Raises
    ------
    DataError
        If there is no saved stage.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            lines = [part.read_text("utf-8") for part in sorted((path / "metadata").glob("part-*"))]
            plain = json.loads("".join(lines))
            self.name: str = plain["uid"]
            self.spark_class: str = plain["class"]
            self.spark_version: str = plain["sparkVersion"]
            self.params: dict[str, Any] = {**plain.get("defaultParamMap", {}), **plain["paramMap"]}
            self.metadata: dict[str, Any] = plain
            self._values: dict[Data, Any] = {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"no saved Spark ML stage at {str(path)!r}: {error!r}") from error

    def rows(self, folder: str = "data") -> list[dict[str, Any]]:
        """Return the rows of a Parquet folder of the stage.

        Vectors are structs ``{type, size, indices, values}``, matrices ``{type, numRows, numCols, ..., values,
        isTransposed}``; see :func:`vector` and :func:`matrix`.
        """
        import pyarrow.parquet as pq

        files = sorted((self.path / folder).glob("*.parquet"))
        if not files:
            raise DataError(f"{self.name}: no data in {str(self.path / folder)!r}")
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def row(self, folder: str = "data") -> dict[str, Any]:
        """Return the only row of a Parquet folder of the stage."""
        rows = self.rows(folder)
        if len(rows) != 1:
            raise DataError(f"{self.name}: {len(rows)} rows of data, expected 1")
        return rows[0]

    def read(self, data: Data) -> Any:
        """Return a fitted value, read once."""
        if data not in self._values:
            saved = data.saved
            self._values[data] = saved(self) if callable(saved) else self._data[saved]
        return self._values[data]

    @cached_property
    def _data(self) -> dict[str, Any]:
        return self.row()

    def inside(self, name: str) -> SavedFiles:
        """Return a stage that is saved inside this one."""
        return SavedFiles(self.path / name)


def vector(plain: Mapping[str, Any]) -> list[float]:
    """Return the elements of a saved vector.

    Examples
    --------
    >>> vector({"type": 0, "size": 3, "indices": [1], "values": [2.0]})
    [0.0, 2.0, 0.0]
    """
    if plain["type"] == 1:
        return list(plain["values"])
    elements = [0.0] * plain["size"]
    for index, value in zip(plain["indices"], plain["values"], strict=True):
        elements[index] = value
    return elements


def matrix(plain: Mapping[str, Any]) -> list[list[float]]:
    """Return the rows of a saved matrix.

    Examples
    --------
    >>> matrix({"type": 1, "numRows": 2, "numCols": 2, "values": [1.0, 2.0, 3.0, 4.0], "isTransposed": False})
    [[1.0, 3.0], [2.0, 4.0]]
    """
    rows, columns, values = plain["numRows"], plain["numCols"], plain["values"]
    if plain["type"] == 1:
        if plain["isTransposed"]:
            return [list(values[row * columns : (row + 1) * columns]) for row in range(rows)]
        return [list(values[row::rows]) for row in range(rows)]
    elements = [[0.0] * columns for _ in range(rows)]
    starts, indices = plain["colPtrs"], plain["rowIndices"]
    for major in range(len(starts) - 1):
        for index in range(starts[major], starts[major + 1]):
            row, column = (major, indices[index]) if plain["isTransposed"] else (indices[index], major)
            elements[row][column] = values[index]
    return elements
