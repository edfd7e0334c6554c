"""Settings of feature selection."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator

from palette.definitions.base import Definition
from palette.errors import ArgumentError, DefinitionError, nearest

__all__ = ["SelectionSettings"]


def _one_of(*choices: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, found {value!r:.80}{nearest(str(value), choices)}")
        return value

    return BeforeValidator(check)


def _integer(least: int, most: float = math.inf) -> BeforeValidator:
    def check(value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            limits = f"from {least}" if most == math.inf else f"from {least} to {most}"
            raise ValueError(f"expected an integer {limits}, found {value!r:.80}")
        return value

    return BeforeValidator(check)


def _share(value: Any) -> Any:
    if not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"expected a share above 0, found {value!r:.80} (above 1 no feature is left out for it)")
    return value


Share = Annotated[float, BeforeValidator(_share)]


class SelectionSettings(Definition):
    """The settings of :meth:`palette.FeatureStore.select_features`.

    Raises
    ------
    ArgumentError
        If a value is invalid.

    Examples
    --------
    >>> SelectionSettings(method="mrrm")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    palette.errors.ArgumentError: ...method: expected one of mrmr, relevance, found 'mrrm'; did you mean 'mrmr'?
    """

    count: Annotated[int, _integer(1)] = 20
    method: Annotated[str, _one_of("mrmr", "relevance")] = "mrmr"
    task: Annotated[str, _one_of("auto", "classification", "regression")] = "auto"
    bins: Annotated[int, _integer(2, 1000)] = 20
    constant: Share = 0.99
    missing: Share = 0.95
    identifier: Share = 0.95
    leak: Share = 0.95

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except DefinitionError as error:
            raise ArgumentError(str(error)) from None
