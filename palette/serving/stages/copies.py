"""Copies of live stages, saved to a directory shared with Spark, for parts that a live stage does not expose."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles

__all__ = ["saved_copy"]

T = TypeVar("T")
_copies: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def saved_copy(stage: Any, read: Callable[[SavedFiles], T]) -> T:
    """Return what ``read`` makes of a live stage, which is saved to a temporary directory once.

    Raises
    ------
    DataError
        If Spark wrote it where this process does not see it.
    """
    if stage not in _copies:
        with tempfile.TemporaryDirectory(prefix="palette-") as folder:
            path = Path(folder) / "stage"
            stage.save(path.as_uri())
            try:
                _copies[stage] = read(SavedFiles(path))
            except DataError as error:
                raise DataError(
                    f"{stage.uid}: its nodes cannot be seen, since Spark does not write to this machine; save the "
                    "model, copy the directory here, and load that (LocalPipeline.load)"
                ) from error
    copy: T = _copies[stage]
    return copy
