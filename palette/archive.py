"""The library as a zip, for processes that lack it: Spark's workers, and jobs by ``spark-submit --py-files``."""

from __future__ import annotations

import zipfile
from pathlib import Path

import dsl
import palette

__all__ = ["can_be_archived", "write_archive"]


def can_be_archived() -> bool:
    """Return whether the library is installed as files; a zip came with ``spark-submit``, and workers have it."""
    return all(home.is_dir() for home in _homes())


def write_archive(path: str | Path) -> None:
    """Write the packages ``palette`` and ``dsl`` without their dependencies.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "palette.zip"
    >>> write_archive(path)
    >>> {"palette/__init__.py", "dsl/grammar.lark"} <= set(zipfile.ZipFile(path).namelist())
    True
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for home in _homes():
            for file in sorted(home.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, Path(home.name) / file.relative_to(home))


def _homes() -> tuple[Path, ...]:
    return tuple(Path(str(package.__file__)).parent for package in (palette, dsl))
