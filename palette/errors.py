"""Errors of palette.

Each error is a :class:`PaletteError` and also the builtin that a caller would catch.
"""

from __future__ import annotations

from collections.abc import Iterable

from dsl.errors import Brief

__all__ = [
    "ArgumentError",
    "CatalogError",
    "DataError",
    "DefinitionError",
    "DeprecatedFeatureWarning",
    "FeatureNotFoundError",
    "LatestValuesWarning",
    "LockedError",
    "MissingColumnError",
    "NotFoundError",
    "PaletteError",
    "PlanError",
    "RequestTimeError",
    "RowsLeftOutWarning",
    "SchemaError",
    "SessionWarning",
    "SnapshotError",
    "SparkNotFoundError",
    "StoreError",
    "StoreTimeoutError",
    "TimeZoneWarning",
    "UnknownColumnError",
    "UnknownTypeWarning",
    "nearest",
]


class PaletteError(Brief, Exception):
    """Root of all errors that palette raises on purpose."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument; a message for people is wanted.
        return str(self.args[0]) if self.args else ""


class DefinitionError(PaletteError, ValueError):
    """An entity, feature or feature group is declared wrongly."""


class ArgumentError(PaletteError, ValueError):
    """An argument has a value that the function does not accept."""


class NotFoundError(PaletteError, LookupError):
    """Nothing of that name exists: a model, a version, a pin, a source."""


class FeatureNotFoundError(NotFoundError, KeyError):
    """A feature, group or entity of that name is not in the catalog."""


class CatalogError(PaletteError, OSError):
    """The catalog's database cannot be reached, or refuses."""


class LockedError(PaletteError, BlockingIOError):
    """Another run works on the same."""


class DeprecatedFeatureWarning(UserWarning):
    """A feature that is used was marked as deprecated in the catalog."""


class LatestValuesWarning(UserWarning):
    """Rows to train on are joined with the latest values of a group that has event times."""


class TimeZoneWarning(UserWarning):
    """A time zone that a model reads has other rules where it is scored than where it was fitted."""


class UnknownTypeWarning(UserWarning):
    """A pipeline that Spark saved answers otherwise for another type of a column, and its files do not tell which."""


class SessionWarning(UserWarning):
    """The Spark session that runs is used as it is, and lacks something."""


class RowsLeftOutWarning(UserWarning):
    """Rows were left out of a snapshot or an online store, since Python cannot hold a value of theirs."""


class SchemaError(PaletteError, TypeError):
    """A column is missing, exists already, or has another type than declared."""


class DataError(PaletteError, ValueError):
    """Values that cannot be taken: bad rows, or nothing written yet."""


class MissingColumnError(DataError):
    """A row lacks a join key, or another column that a pipeline reads; an explicit null is a value."""


class UnknownColumnError(DataError):
    """A row has a column that a pipeline does not know, and the deployment is strict about it."""


class PlanError(PaletteError, ValueError):
    """Stages that cannot be ordered: a cycle, or a join key that nothing provides."""


class SnapshotError(PaletteError, LookupError):
    """A snapshot lacks what was asked of it, or is asked about a time before it."""


class RequestTimeError(SnapshotError, ValueError):
    """The own time of a row is one that the store cannot answer for: it has the values of another time."""


class SparkNotFoundError(PaletteError, ImportError):
    """PySpark is not installed."""


class StoreError(PaletteError, OSError):
    """An online store cannot be reached, refuses, or holds something that this release cannot read."""


class StoreTimeoutError(StoreError, TimeoutError):
    """An online store did not answer within the time that it was given."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to ``name``, or an empty string.

    Examples
    --------
    >>> nearest("prep_tme", ["prep_time", "n_meal", "prep_time"])
    "; did you mean 'prep_time'?"
    >>> nearest("zzz", ["prep_time"])
    ''
    """
    import difflib  # Only faults need it.

    found = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.6)
    if not found:
        return ""
    return "; did you mean " + " or ".join(repr(match) for match in found) + "?"
