"""Directories that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palette.errors import DataError

__all__ = ["replaced_directory"]


@contextmanager
def replaced_directory(path: str | Path, marker: str) -> Iterator[Path]:
    """Give an empty directory to fill, which takes the place of ``path`` when all went well.

    Parameters
    ----------
    path : str or Path
        Where the directory comes to stand; an older one is replaced only if it holds ``marker``. Of a symbolic link
        it is what it points to.
    marker : str
        File that tells such a directory from others.

    Raises
    ------
    DataError
        If something else stands at ``path``; it is left alone.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not (path / marker).is_file():
        raise DataError(f"{str(path)!r} exists and has no {marker}; it is left alone, choose another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield fresh
        # mkdtemp makes it private; what a service reads should have the usual rights.
        fresh.chmod(0o755)
        if path.exists():
            # Moved aside first: readers see the old one or the new one, but for an instant.
            old = fresh.with_name(fresh.name + ".old")
            path.rename(old)
            try:
                fresh.rename(path)
            except BaseException:
                old.rename(path)
                raise
            shutil.rmtree(old)
        else:
            fresh.rename(path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
