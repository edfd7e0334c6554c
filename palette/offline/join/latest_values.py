"""Look-ups without a time, which read the latest values of groups that have event times."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from palette.errors import LatestValuesWarning

if TYPE_CHECKING:
    from palette.offline.join.lookup import Lookup

__all__ = ["untimed_groups", "warn_latest_values"]


def untimed_groups(lookups: Iterable[Lookup], timestamp: str | None) -> list[str]:
    """Return the full names of groups with event times that are looked up without a time for each row."""
    if timestamp is not None:
        return []
    return list(dict.fromkeys(lookup.schema.name for lookup in lookups if lookup.schema.timestamp is not None))


def warn_latest_values(groups: list[str], parameter: str, stacklevel: int) -> None:
    """Warn that the latest values of groups are joined to rows of training data; nothing if there are no groups.

    Parameters
    ----------
    groups : list of str
        Their full names.
    parameter : str
        The parameter that takes the column with each row's time.
    stacklevel : int
        As for :func:`warnings.warn`, counted from the caller.
    """
    if groups:
        message = (
            f"the latest values of {', '.join(groups)} are joined to every row, also those from after the row's time: "
            f"training data would leak the future. Pass {parameter}, the column with each row's time. If the latest "
            "values are meant, as for inference: "
            "warnings.filterwarnings('ignore', category=palette.errors.LatestValuesWarning)"
        )
        warnings.warn(message, LatestValuesWarning, stacklevel=stacklevel + 1)
