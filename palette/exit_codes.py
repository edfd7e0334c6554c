"""Exit codes: what a scheduler is told by jobs, by ``palette materialize`` and ``palette erase``."""

from __future__ import annotations

import sys

from dsl.errors import DslError
from palette.errors import DefinitionError, FeatureNotFoundError, PlanError, SchemaError
from palette.session import DeltaNotFoundError, JavaNotFoundError

__all__ = ["ALARM", "DONE", "FAILED", "USAGE", "exit_code"]

DONE, FAILED, USAGE, ALARM = 0, 1, 2, 3
# What repeating the same does not mend.
ASKED_WRONGLY = (
    *(DefinitionError, FeatureNotFoundError, PlanError, SchemaError, DslError),
    *(DeltaNotFoundError, JavaNotFoundError),
)


def exit_code(error: BaseException) -> int:
    """Return 2 for what repeating the same does not mend, 1 for what may be tried again.

    Examples
    --------
    >>> from palette.errors import LockedError
    >>> exit_code(LockedError("another run works on it")), exit_code(DefinitionError("no group"))
    (1, 2)
    """
    # What Spark refuses before it runs: a path, table or column that is not there.
    refused = getattr(sys.modules.get("pyspark.errors"), "AnalysisException", ())
    wrong = isinstance(error, ASKED_WRONGLY) or isinstance(error.__cause__ or error, refused)
    return USAGE if wrong else FAILED
