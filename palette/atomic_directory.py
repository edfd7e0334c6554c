"""Directories written completely or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palette.errors import DataError

__all__ = ["replace_directory"]


@contextmanager
def replace_directory(path: str | Path, marker: str) -> Iterator[Path]:
    """Yield an empty directory to fill, which replaces ``path`` when the block succeeds.

    Parameters
    ----------
    path : str or Path
        Final path; an existing directory is replaced only if it contains ``marker``. A symbolic link is resolved.
    marker : str
        File that identifies such a directory.

    Raises
    ------
    DataError
        If something else is at ``path``; it is not changed.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not (path / marker).is_file():
        raise DataError(f"{str(path)!r} exists and has no {marker}; it was not changed, choose another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield fresh
        # mkdtemp makes it private; a service of another user may read it.
        fresh.chmod(0o755)
        if path.exists():
            # Renamed first: readers see the old directory or the new one, except for an instant.
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
