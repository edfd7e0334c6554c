"""Categories: encodings of strings that are fitted on the training data."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.compilers.bind import MAX_ENTRIES
from dsl.dtypes import INT, NUM, STR, VEC, DType
from dsl.functions.statistics import present
from dsl.registry import REGISTRY, Arg, Nulls
from dsl.syntax.build import call
from dsl.syntax.nodes import Node

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Categories", "Frequencies", "Frequency", "LeakageWarning", "Lookup", "OneHot", "OneHotOf", "StringIndex",
    "TargetMean", "TargetMeans"]  # fmt: skip

_TEXT = Arg("text", STR)
_TABLE = Arg("table", DType.WEIGHTS, constant=True)
_TABLES: dict[str, Sequence[Any]] = {
    "text": [None, "", "a", "b", "c", "ß", "\x00"],
    "table": [{}, {"a": 0.0, "": 1.0, "ß": -0.5, "\x00": 2.0}],
}

# Size of the sketch: counts are exact up to three quarters of this number of categories.
_SKETCH_SIZE = 65_536
_TOP = MAX_ENTRIES + 2  # with null, and one more to detect that there are too many


class LeakageWarning(UserWarning):
    """A statistic of the label was fitted, so training rows see their own label."""


def _counts(F: Any, text: Column) -> Column:
    return F.call_function("approx_top_k", text, F.lit(_TOP), F.lit(_SKETCH_SIZE))


def _by_count(value: Sequence[Any] | None) -> dict[str, int]:
    """Order categories by count, the largest first, then by string."""
    counted = [(item["item"], item["count"]) for item in value or () if item["item"] is not None]
    return dict(sorted(counted, key=lambda pair: (-pair[1], pair[0])))


@REGISTRY.statistic(
    "categories", _TEXT, returns=DType.WEIGHTS, examples=[((["b", "a", "b", None],), {"b": 0.0, "a": 1.0})]
)
class Categories:
    """Strings and their ranks by frequency from 0, ties in order. Null when there are no values."""

    @staticmethod
    def aggregate(F: Any, text: Column) -> Column:
        return _counts(F, text)

    @staticmethod
    def finish(value: Sequence[Any] | None) -> dict[str, float] | None:
        return {text: float(rank) for rank, text in enumerate(_by_count(value))} or None


@REGISTRY.statistic(
    "frequencies", _TEXT, returns=DType.WEIGHTS, examples=[((["b", "a", "b", "b", None],), {"b": 0.75, "a": 0.25})]
)
class Frequencies:
    """The share of each string among the values that are not null. Null when there are no values."""

    @staticmethod
    def aggregate(F: Any, text: Column) -> Column:
        return _counts(F, text)

    @staticmethod
    def finish(value: Sequence[Any] | None) -> dict[str, float] | None:
        counts = _by_count(value)
        total = sum(counts.values())
        return {text: count / total for text, count in counts.items()} or None


def _check_smoothing(smoothing: float) -> None:
    if not 0 <= smoothing < float("inf"):
        raise ValueError(f"must be a finite number of rows, 0 or more, found {smoothing}")


@REGISTRY.statistic(
    "targetMeans",
    _TEXT,
    Arg("target", NUM),
    Arg("smoothing", NUM, constant=True, check=_check_smoothing),
    returns=DType.WEIGHTS,
    grouped=True,
    examples=[((["a", "a", "b", None], [1.0, 3.0, 5.0, None], 1.0), {"a": 7 / 3, "b": 4.0})],
)
class TargetMeans:
    """The mean target of each string, with `smoothing` rows of the overall mean added. Null when there are no values.

    Fitting it issues a leakage warning.
    """

    @staticmethod
    def aggregate(F: Any, text: Column, target: Column, smoothing: float) -> Column:
        known = present(F, target)
        return F.struct(F.count(known).alias("rows"), F.sum(known).alias("total"))

    @staticmethod
    def finish(value: Sequence[Any], smoothing: float) -> dict[str, float] | None:
        warnings.warn(
            "targetMean learns from the label: the rows that it was fitted on see their own label. Fit it on rows that "
            "the model is not trained on (earlier ones, or another fold), or increase the smoothing.",
            LeakageWarning,
            stacklevel=2,
        )
        groups = [(group["key"], group["value"]["rows"], group["value"]["total"]) for group in value]
        groups = [group for group in groups if group[1]]
        if not groups:
            return None
        overall = sum(total for _, _, total in groups) / sum(rows for _, rows, _ in groups)
        return {
            text: (total + smoothing * overall) / (rows + smoothing)
            for text, rows, total in sorted(groups, key=lambda group: group[0] or "")
            if text is not None
        } or None


def _map(F: Any, table: Mapping[str, float]) -> Column:
    """Return a map that Spark folds to a literal; built from single values it would be thousands of expressions."""
    return F.from_json(F.lit(json.dumps(table)), "map<string,double>")


@REGISTRY.register(
    "lookup",
    _TEXT,
    _TABLE,
    returns=NUM,
    examples=[(("a", {"a": 1.5}), 1.5), (("b", {"a": 1.5}), None)],
    edges=_TABLES,
    inline="{table}.get({text})",
)
class Lookup:
    """The number of the string in the table. Null when it is not in the table."""

    @staticmethod
    def column(F: Any, text: Column, table: Mapping[str, float]) -> Column:
        return _map(F, table)[text]

    @staticmethod
    def row(text: str, table: Mapping[str, float]) -> float | None:
        return table.get(text)


@REGISTRY.register(
    "oneHotOf",
    _TEXT,
    _TABLE,
    returns=VEC,
    nulls=Nulls.HANDLED,
    examples=[(("a", {"b": 0.0, "a": 1.0}), [0.0, 1.0]), ((None, {"b": 0.0, "a": 1.0}), [0.0, 0.0])],
    edges={"text": _TABLES["text"], "table": [{}, {"a": 1.0, "": 0.0, "ß": 2.0}]},
)
class OneHotOf:
    """A vector with 1.0 at the string's rank in the table, all 0.0 when it is not there. Null without a table."""

    @staticmethod
    def column(F: Any, text: Column, table: Mapping[str, float] | None) -> Column:
        if not table:
            return F.lit(None).cast("array<double>") if table is None else F.array().cast("array<double>")
        indices = F.sequence(F.lit(0), F.lit(len(table) - 1))
        rank = _map(F, table)[text]
        # A lambda may not refer to a Column with a UDF in it (a region, say), so the rank is passed as data.
        ranks = F.array_repeat(rank, len(table))
        return F.zip_with(indices, ranks, lambda index, rank: F.when(index == rank, 1.0).otherwise(0.0))

    @staticmethod
    def row(text: str | None, table: Mapping[str, float] | None) -> list[float] | None:
        if table is None:
            return None
        vector = [0.0] * len(table)
        rank = None if text is None else table.get(text)
        if rank is not None:
            vector[int(rank)] = 1.0
        return vector


@REGISTRY.macro("stringIndex", _TEXT, returns=INT, examples=[((["b", "a", "b", None],), [0, 1, 0, None])])
class StringIndex:
    """Rank of the string by frequency in the training data, from 0. Null when it was not in the training data."""

    @staticmethod
    def expand(text: Node) -> Node:
        return call("toInteger", call("lookup", text, call("categories", text)))


@REGISTRY.macro(
    "frequency", _TEXT, returns=NUM, examples=[((["b", "a", "b", "b", None],), [0.75, 0.25, 0.75, 0.75, None])]
)
class Frequency:
    """The share of the string in the training data. Null when it was not in the training data."""

    @staticmethod
    def expand(text: Node) -> Node:
        return call("lookup", text, call("frequencies", text))


@REGISTRY.macro(
    "oneHot",
    _TEXT,
    returns=VEC,
    examples=[((["b", "a", "b", None],), [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])],
)
class OneHot:
    """A vector with 1.0 at the string's rank by frequency, all 0.0 when it was not in the training data.

    Null when the training data had no values.
    """

    @staticmethod
    def expand(text: Node) -> Node:
        return call("oneHotOf", text, call("categories", text))


@REGISTRY.macro(
    "targetMean",
    _TEXT,
    Arg("target", NUM),
    Arg("smoothing", NUM, constant=True, default=10.0, check=_check_smoothing),
    returns=NUM,
    examples=[((["a", "a", "b", None], [1.0, 3.0, 5.0, 3.0], 1.0), [7 / 3, 7 / 3, 4.0, 3.0])],
)
class TargetMean:
    """The smoothed mean target of the string; the overall mean if it was unseen. Null when there were no values.

    Fitting it issues a leakage warning: fit it on rows that the model is not trained on.
    """

    @staticmethod
    def expand(text: Node, target: Node, smoothing: float) -> Node:
        means = call("targetMeans", text, target, smoothing)
        return call("coalesce", call("lookup", text, means), call("mean", target))
