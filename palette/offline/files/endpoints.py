"""Where rows come from and go to, looked at before Spark starts."""

from __future__ import annotations

import os
import re
from pathlib import Path

from palette.errors import DefinitionError
from palette.offline.files.dataframes import check_mode, parsed
from palette.paths import has_scheme, local_or_none

__all__ = ["check_source", "check_target"]

# With one of them, a path without a scheme may be of another file system.
HADOOP = ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_CONF_DIR")
# What Hadoop takes for a pattern, or its URIs read otherwise.
PATTERN = re.compile(r"[*?\[{%~]")


def check_source(source: str) -> None:
    """Raise :class:`DefinitionError` if rows cannot be read, as far as can be told without Spark.

    Parameters
    ----------
    source : str
        As for :func:`palette.offline.files.dataframes.read_frame`.
    """
    form, place = parsed(source)
    path = None if form == "table" else _here(place)
    if path is not None and not path.exists():
        raise DefinitionError(f"{source!r:.500} cannot be read: there is no such file or directory")


def check_target(target: str, mode: str) -> None:
    """Raise :class:`DefinitionError` if rows cannot be written, as far as can be told without Spark.

    Parameters
    ----------
    target, mode : str
        As for :func:`palette.offline.files.dataframes.write_frame`.
    """
    form, place = parsed(target, fresh=True)
    check_mode(form, target, mode)
    path = None if form == "table" else _here(place)
    if path is None or mode != "error":
        return
    # An empty directory is as good as none to Delta.
    if (path / "_delta_log").is_dir() if form == "delta" else path.exists():
        raise DefinitionError(
            f"{target!r:.500} cannot be written: it exists; say what becomes of it: append or overwrite (mode=, --mode)"
        )


def _here(place: str) -> Path | None:
    if PATTERN.search(place) or (not has_scheme(place) and any(os.environ.get(name) for name in HADOOP)):
        return None
    return local_or_none(place)
