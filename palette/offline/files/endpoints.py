"""Checks of sources and targets of rows, before Spark starts."""

from __future__ import annotations

import os
import re
from pathlib import Path

from palette.errors import ArgumentError
from palette.offline.files.dataframes import check_mode, parse_location
from palette.paths import has_scheme, local_or_none

__all__ = ["check_source", "check_target"]

# With one of them, a path without a scheme may be of another file system.
HADOOP = ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_CONF_DIR")
# Characters that Hadoop reads as a pattern, or otherwise in its URIs.
PATTERN = re.compile(r"[*?\[{%~]")


def check_source(source: str) -> None:
    """Raise :class:`ArgumentError` if rows cannot be read, as far as is known without Spark.

    Parameters
    ----------
    source : str
        As for :func:`palette.offline.files.dataframes.read_frame`.
    """
    form, location = parse_location(source)
    path = None if form == "table" else _local_path(location)
    if path is not None and not path.exists():
        raise ArgumentError(f"{source!r:.500} cannot be read: there is no such file or directory")


def check_target(target: str, mode: str) -> None:
    """Raise :class:`ArgumentError` if rows cannot be written, as far as is known without Spark.

    Parameters
    ----------
    target, mode : str
        As for :func:`palette.offline.files.dataframes.write_frame`.
    """
    form, location = parse_location(target, new=True)
    check_mode(form, target, mode)
    path = None if form == "table" else _local_path(location)
    if path is None or mode != "error":
        return
    # Delta treats an empty directory like a missing one.
    if (path / "_delta_log").is_dir() if form == "delta" else path.exists():
        raise ArgumentError(
            f"{target!r:.500} cannot be written: it exists; set mode to append or overwrite (mode=, --mode)"
        )


def _local_path(location: str) -> Path | None:
    if PATTERN.search(location) or (not has_scheme(location) and any(os.environ.get(name) for name in HADOOP)):
        return None
    return local_or_none(location)
