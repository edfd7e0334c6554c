"""ALS: the product of what is known of a user and of an item."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import BundledStage, RowRejectedError
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, Param, Source, as_tuple, elements

__all__ = ["ALSModel"]


def _by_id(rows: list[Any]) -> dict[int, list[float]]:
    return dict(sorted((int(row["id"]), elements(row["features"])) for row in rows))


# All factors of a live model are collected.
_USERS = Data(lambda stage: _by_id(stage.userFactors.collect()), saved=lambda files: _by_id(files.rows("userFactors")))
_ITEMS = Data(lambda stage: _by_id(stage.itemFactors.collect()), saved=lambda files: _by_id(files.rows("itemFactors")))


@register
@dataclass(frozen=True)
class ALSModel(BundledStage):
    """The local form of ``pyspark.ml.recommendation.ALSModel``.

    Parameters
    ----------
    inputs : tuple of str
        The columns of the user and of the item.
    outputs : tuple of str
        The prediction.
    cold_start : {"nan", "drop"}
        What a pair with an unknown member does: NaN, or a :class:`RowRejectedError`.
    users, items : list of int
        Those that are known, in ascending order.
    user_factors, item_factors : list of list of float
        Of each; the numbers are as exact as a float of 32 bits.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cold_start: str
    users: list[int]
    user_factors: list[list[float]]
    items: list[int]
    item_factors: list[list[float]]

    kind = "ALSModel"
    numeric = True
    spark_class = "org.apache.spark.ml.recommendation.ALSModel"
    source = Source(
        inputs=lambda stage: (stage.params["userCol"], stage.params["itemCol"]),
        outputs=Param("predictionCol", as_tuple),
        cold_start=Param("coldStartStrategy", str.lower),
        users=lambda stage: list(_USERS(stage)),
        user_factors=lambda stage: list(_USERS(stage).values()),
        items=lambda stage: list(_ITEMS(stage)),
        item_factors=lambda stage: list(_ITEMS(stage).values()),
    )

    @property
    def output_types(self) -> tuple[str, ...]:
        """A float of 32 bits."""
        return ("float",) * len(self.outputs)

    @cached_property
    def _known(self) -> tuple[dict[int, Any], dict[int, Any]]:
        import numpy as np

        users = np.array(self.user_factors, np.float32)
        items = np.array(self.item_factors, np.float32)
        return dict(zip(self.users, users, strict=True)), dict(zip(self.items, items, strict=True))

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the sum of products, each and every sum of them rounded to 32 bits as Spark's are."""
        users, items = self._known
        user, item = (
            known.get(self._number(value, column))
            for known, value, column in zip((users, items), values, self.inputs, strict=True)
        )
        if user is None or item is None:
            if self.cold_start == "drop":
                raise RowRejectedError(f"ALSModel drops this row: {self._unknown(values)} was not in training")
            return (math.nan,)
        return (float((user * item).cumsum()[-1]),)

    def _number(self, value: Any, column: str) -> int:
        if value is None:
            raise DataError(f"ALSModel: {column} is null; give an integer, -1 for an unknown one")
        if value != value or abs(value) == math.inf or value != int(value):
            raise DataError(f"ALSModel: {column} is {value!r}, expected an integer")
        if not -(1 << 31) <= value < 1 << 31:
            raise DataError(f"ALSModel: {column} is {value!r}, expected an integer of 32 bits")
        return int(value)

    def _unknown(self, values: tuple[Any, ...]) -> str:
        pairs = zip(self._known, values, self.inputs, strict=True)
        return " and ".join(f"{column} {value!r}" for known, value, column in pairs if value not in known)
