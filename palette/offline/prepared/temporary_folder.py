"""The folder of this process for what it prepares, or fetches; removed when the process ends."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile

__all__ = ["temporary_folder"]


def temporary_folder() -> str:
    """Return this process's folder for what it prepares; it is removed when the process ends."""
    folder = _folder()
    # A cleaner may have removed it.
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


@functools.cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="palette-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
