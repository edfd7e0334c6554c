"""Base of tree models: source of their nodes, and sums over trees.

Sums are made in the order of the trees. Spark makes those of boosted trees with the vector unit of its processor, in an
order of its own, so that last digits differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from palette.serving.spark_files import SavedFiles
from palette.serving.stages.base import Bind
from palette.serving.stages.linear.weights import sum_lines
from palette.serving.stages.sources import Data, FittedStage, Source
from palette.serving.stages.trees.codegen import GENERATED
from palette.serving.stages.trees.nodes import Trees, trees_of

__all__ = ["MODEL", "TREES", "TreeModel", "bound", "by_node", "total", "weighted_sum_lines"]

T = TypeVar("T")


def read(saved: SavedFiles) -> dict[str, Any]:
    """Return the data of a saved tree model besides its Params."""
    trees, statistics = trees_of(saved.rows())
    weights = [1.0]
    if (saved.path / "treesMetadata").exists():
        # The columns are number, metadata and weight, and called otherwise from one version of Spark to another.
        rows = sorted((tuple(row.values()) for row in saved.rows("treesMetadata")), key=lambda row: int(row[0]))
        weights = [float(row[2]) for row in rows]
    return {
        "trees": trees.to_json(),
        "weights": weights,
        "statistics": statistics,
        "classes": int(saved.metadata.get("numClasses", 2)),
        "width": int(saved.metadata["numFeatures"]),
    }


def _read_live(stage: Any) -> dict[str, Any]:
    from palette.serving.stages.copies import saved_copy  # What is served does without temporary files.

    return saved_copy(stage, read)


MODEL = Data(_read_live, saved=read)
TREES = Source(
    size=lambda _: -1,
    trees=lambda stage: MODEL(stage)["trees"],
    weights=lambda stage: MODEL(stage)["weights"],
    width=lambda stage: MODEL(stage)["width"],
)


def by_node(stage: FittedStage, of_leaf: Callable[[list[float]], T], otherwise: T) -> list[T]:
    """Return by node what a function makes of the label statistics of a leaf, and something else of other nodes."""
    statistics = MODEL(stage)["statistics"]
    nodes = range(len(MODEL(stage)["trees"]["left"]))
    return [of_leaf(statistics[node]) if node in statistics else otherwise for node in nodes]


class TreeModel:
    """Base of tree models.

    Attributes
    ----------
    trees : dict of str to list
        The fields of :class:`palette.serving.stages.trees.nodes.Trees`.
    single : bool
        Whether there is one tree, whose leaf column is a number and no vector.
    """

    kind: ClassVar[str]
    single: ClassVar[bool] = False
    trees: dict[str, Any]

    @property
    def nodes(self) -> Trees:
        """The trees, made of the lists once."""
        trees: Trees | None = self.__dict__.get("_nodes")
        if trees is None:
            trees = self.__dict__["_nodes"] = Trees(**self.trees)
        return trees

    def leaf_column(self, leaves: Sequence[int]) -> float | list[float]:
        """Return the numbers of leaves within their trees."""
        numbers = [float(self.nodes.leaf[leaf]) for leaf in leaves]
        return numbers[0] if self.single else numbers

    @property
    def leaf_type(self) -> str:
        """The type of the leaf column."""
        return "double" if self.single else "vector"

    def generated(self, outputs: Sequence[str], gives: Sequence[str]) -> bool:
        """Whether code is written for these outputs: the leaf column, seldom requested, is computed without it."""
        return bool(outputs) and "leaf" not in gives and "variance" not in gives and len(self.nodes.left) <= GENERATED


def bound(value: float, bind: Bind) -> str:
    """Return the name of a number in generated code."""
    # As text: 0.0 and -0.0 are one key.
    return bind(value, ("number", repr(value)))


def total(values: Sequence[float]) -> float:
    """Return the sum, made from the first to the last.

    Examples
    --------
    >>> total([0.1, 0.2, 0.3])
    0.6000000000000001
    """
    total = 0.0
    for value in values:
        total += value
    return total


def weighted_sum_lines(target: str, names: Sequence[str], weights: Sequence[float], bind: Bind) -> list[str]:
    """Return lines that assign the sum of the products of variables and weights, added in order."""
    products = [f"{name} * {bound(weight, bind)}" for name, weight in zip(names, weights, strict=True)]
    return sum_lines(target, [bind(0.0, "zero"), *products])
