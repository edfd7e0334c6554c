"""Errors of palette.

Each error is a :class:`PaletteError` and also the builtin exception that a caller would catch::

    PaletteError
    ├── ArgumentError (ValueError)                an argument of a call
    ├── DefinitionError (ValueError)              an entity, feature, group, source or palette.yaml
    ├── PlanError (ValueError)                    stages of a pipeline that cannot be ordered
    ├── DataError (ValueError)                    values of rows, or a table without rows
    │   ├── MissingColumnError                    a row lacks a column
    │   └── UnknownColumnError                    a row has a column that the pipeline does not read
    ├── SchemaError (TypeError)                   columns of a table or DataFrame, and their types
    ├── NotFoundError (LookupError)               a model, version, pin or source
    │   └── FeatureNotFoundError (KeyError)       an entity, group or feature
    ├── SnapshotError (LookupError)               a snapshot lacks a group, or is of another time
    │   └── RequestTimeError (ValueError)         a row of a time that the online store does not cover
    ├── CatalogError (OSError)                    the catalog's database
    ├── StoreError (OSError)                      an online store
    │   └── StoreTimeoutError (TimeoutError)      an online store that did not answer in time
    ├── LockedError (BlockingIOError)             another run holds the lock of a group
    └── SparkNotFoundError (ImportError)          PySpark is not installed

The errors of the DSL have a root of their own, :class:`dsl.errors.DslError`.
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
    """Root of the errors that palette raises."""

    def __str__(self) -> str:
        # KeyError would print the repr of its argument.
        return str(self.args[0]) if self.args else ""


class DefinitionError(PaletteError, ValueError):
    """A definition is invalid: of an entity, a feature, a feature group, a source or a store (``palette.yaml``)."""


class ArgumentError(PaletteError, ValueError):
    """An argument has a value or a type that the function does not accept."""


class NotFoundError(PaletteError, LookupError):
    """No model, version, pin or source has that name."""


class FeatureNotFoundError(NotFoundError, KeyError):
    """The catalog has no entity, group or feature of that name."""


class CatalogError(PaletteError, OSError):
    """The database of the catalog cannot be reached, rejects a statement, or holds rows that cannot be read."""


class LockedError(PaletteError, BlockingIOError):
    """Another run holds the lock."""


class DeprecatedFeatureWarning(UserWarning):
    """A feature in use is marked as deprecated in the catalog."""


class LatestValuesWarning(UserWarning):
    """Rows to train on are joined with the latest values of a group that has event times."""


class TimeZoneWarning(UserWarning):
    """A time zone that a model reads has different rules on the scoring machine than it had at fit."""


class UnknownTypeWarning(UserWarning):
    """The output of a pipeline saved by Spark depends on the type of a column, which its files do not record."""


class SessionWarning(UserWarning):
    """The active Spark session is used although it lacks a setting."""


class RowsLeftOutWarning(UserWarning):
    """Rows were left out of a snapshot or an online store: Python cannot represent one of their values."""


class SchemaError(PaletteError, TypeError):
    """A column is missing, exists already, or does not have its declared type."""


class DataError(PaletteError, ValueError):
    """Invalid data: rejected rows, or a table without rows."""


class MissingColumnError(DataError):
    """A row lacks a join key, or another column that a pipeline reads; an explicit null is a value."""


class UnknownColumnError(DataError):
    """A row has a column that the pipeline does not read, and the deployment is strict."""


class PlanError(PaletteError, ValueError):
    """The stages of a pipeline cannot be ordered: a cycle, or a join key that no stage provides."""


class SnapshotError(PaletteError, LookupError):
    """A snapshot does not have the requested group, or is newer than the requested time."""


class RequestTimeError(SnapshotError, ValueError):
    """The time of a row is outside the range that the online store has values for."""


class SparkNotFoundError(PaletteError, ImportError):
    """PySpark is not installed."""


class StoreError(PaletteError, OSError):
    """An online store cannot be reached, rejects a command, or holds data that this release cannot read."""


class StoreTimeoutError(StoreError, TimeoutError):
    """An online store did not answer within its timeout."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to ``name``, or an empty string.

    Examples
    --------
    >>> nearest("prep_tme", ["prep_time", "n_meal", "prep_time"])
    "; did you mean 'prep_time'?"
    >>> nearest("zzz", ["prep_time"])
    ''
    """
    import difflib  # Only errors need it.

    matches = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.6)
    if not matches:
        return ""
    return "; did you mean " + " or ".join(repr(match) for match in matches) + "?"
