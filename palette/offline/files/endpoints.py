"""Checks of sources and targets of rows, before Spark starts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from palette.errors import ArgumentError
from palette.offline.files.dataframes import check_mode, parse_location
from palette.paths import has_scheme, local_or_none

__all__ = ["check_layout", "check_source", "check_target"]

# With one of them, a path without a scheme may be of another file system.
HADOOP = ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_CONF_DIR")
# Characters that Hadoop reads as a pattern, or otherwise in its URIs.
PATTERN = re.compile(r"[*?\[{%~]")
# Delta's maximum.
MOST_COLUMNS = 4


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


def check_layout(target: str, cluster_by: Sequence[str] = (), chunks: int | None = None) -> None:
    """Raise :class:`ArgumentError` if a target cannot be clustered, or written in chunks; needs no Spark.

    Parameters
    ----------
    target : str
        As for :func:`palette.offline.files.dataframes.write_frame`.
    cluster_by : sequence of str
        Names of columns.
    chunks : int, optional
        Their number.
    """
    form, location = parse_location(target, new=True)
    if len(cluster_by) > MOST_COLUMNS:
        raise ArgumentError(
            f"cluster_by has {len(cluster_by)} columns ({', '.join(cluster_by)}), and Delta clusters by at most "
            f"{MOST_COLUMNS}: choose those that queries filter by"
        )
    lower = [column.lower() for column in cluster_by]
    if duplicate := next((column for column in cluster_by if lower.count(column.lower()) > 1), None):
        raise ArgumentError(f"cluster_by has a duplicate column {duplicate!r}: name it once")
    if chunks is not None and (isinstance(chunks, bool) or not isinstance(chunks, int) or chunks < 1):
        raise ArgumentError(f"chunks must be an integer from 1, found {chunks!r:.80}")
    if form not in ("delta", "table") and (cluster_by or chunks is not None):
        action = "clustered" if cluster_by else "written in chunks"
        raise ArgumentError(
            f"{target!r:.500} is of format {form}, and only Delta tables are {action}: use a path without an ending, "
            "or table:NAME"
        )
    is_relative = form == "delta" and not has_scheme(location) and not os.path.isabs(location)
    if is_relative and (cluster_by or chunks is not None) and any(os.environ.get(name) for name in HADOOP):
        raise ArgumentError(f"{target!r:.500} is relative to a directory of Hadoop: write the absolute path")


def check_target(target: str, mode: str, chunks: int | None = None) -> None:
    """Raise :class:`ArgumentError` if rows cannot be written, as far as is known without Spark.

    Parameters
    ----------
    target, mode : str
        As for :func:`palette.offline.files.dataframes.write_frame`.
    chunks : int, optional
        The number of chunks, if the rows are written in chunks: an existing table may have some of them.
    """
    form, location = parse_location(target, new=True)
    check_mode(form, target, mode)
    if chunks is not None:
        return
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
