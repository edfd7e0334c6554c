"""How features are selected."""

from __future__ import annotations

import math
from dataclasses import dataclass

from palette.errors import DefinitionError, nearest

__all__ = ["Settings"]

METHODS = ("mrmr", "relevance")
TASKS = ("auto", "classification", "regression")
BINS = 1000


@dataclass(frozen=True)
class Settings:
    """What :meth:`palette.FeatureStore.select_features` takes, checked.

    Examples
    --------
    >>> Settings(method="mrrm")
    Traceback (most recent call last):
    palette.errors.DefinitionError: method is one of mrmr, relevance, found 'mrrm'; did you mean 'mrmr'?
    """

    count: int = 20
    method: str = "mrmr"
    task: str = "auto"
    bins: int = 20
    constant: float = 0.99
    missing: float = 0.95
    identifier: float = 0.95
    leak: float = 0.95

    def __post_init__(self) -> None:
        for name, known in (("method", METHODS), ("task", TASKS)):
            if (found := getattr(self, name)) not in known:
                raise DefinitionError(
                    f"{name} is one of {', '.join(known)}, found {found!r}{nearest(str(found), known)}"
                )
        for name, least, most in (("count", 1, math.inf), ("bins", 2, BINS)):
            number = getattr(self, name)
            if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
                raise DefinitionError(f"{name} is a whole number from {least} to {most}, found {number!r}")
        for name in ("constant", "missing", "identifier", "leak"):
            share = getattr(self, name)
            if not isinstance(share, (int, float)) or not share > 0:
                raise DefinitionError(
                    f"{name} is a share above 0, found {share!r} (above 1 nothing is left out for it)"
                )
