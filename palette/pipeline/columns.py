"""Which columns a Spark ML stage reads and adds, as its Params say."""

from __future__ import annotations

from typing import Any

__all__ = ["input_columns", "output_columns"]

INPUTS = ("inputCol", "featuresCol", "inputCols")
OUTPUTS = ("outputCol", "outputCols", "rawPredictionCol", "probabilityCol", "predictionCol")


def input_columns(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage reads."""
    return _columns(stage, INPUTS)


def output_columns(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage adds.

    Examples
    --------
    >>> from palette import PaletteTransformer
    >>> output_columns(PaletteTransformer(features=["restaurant:menu:dishes:r_id"]))
    ()
    """
    return _columns(stage, OUTPUTS)


def _columns(stage: Any, params: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for name in params:
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            found.extend([value] if isinstance(value, str) else value)
    return tuple(column for column in found if column)
