"""Exit codes of jobs, ``palette materialize`` and ``palette erase``."""

from __future__ import annotations

import sys

from dsl.errors import DslError
from palette.errors import ArgumentError, DefinitionError, NotFoundError, PlanError, SchemaError
from palette.session import DeltaNotFoundError, JavaNotFoundError

__all__ = ["ALARM", "DONE", "FAILED", "USAGE", "exit_code"]

DONE, FAILED, USAGE, ALARM = 0, 1, 2, 3
# Errors that a retry does not fix.
PERMANENT = (
    *(ArgumentError, DefinitionError, NotFoundError, PlanError, SchemaError, DslError),
    *(DeltaNotFoundError, JavaNotFoundError),
)


def exit_code(error: BaseException) -> int:
    """Return 2 for an error that a retry does not fix, 1 for one that may be retried.

    Examples
    --------
    >>> from palette.errors import LockedError
    >>> exit_code(LockedError("another run works on it")), exit_code(DefinitionError("no group"))
    (1, 2)
    """
    # Spark's analysis failed: a path, table or column does not exist.
    unresolved = getattr(sys.modules.get("pyspark.errors"), "AnalysisException", ())
    permanent = isinstance(error, PERMANENT) or isinstance(error.__cause__ or error, unresolved)
    return USAGE if permanent else FAILED
