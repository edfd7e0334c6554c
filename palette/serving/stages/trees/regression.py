"""Decision trees, random forests and boosted trees of numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from palette.serving.stages.base import Bind
from palette.serving.stages.linear.weights import guarded, sum_lines
from palette.serving.stages.models.base import Regressor
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Param, Source, as_tuple, named_columns
from palette.serving.stages.trees.codegen import tree_lines
from palette.serving.stages.trees.model import TREES, TreeModel, bound, by_node, total, weighted_sum_lines
from palette.serving.stages.trees.nodes import variance
from palette.serving.stages.vectors import Vector

__all__ = ["DecisionTreeRegressionModel", "GBTRegressionModel", "RandomForestRegressionModel"]


@dataclass(frozen=True)
class _TreeRegressor(TreeModel, Regressor):
    """Trees of numbers.

    Parameters
    ----------
    gives : list of str
        What the outputs are: "prediction", "variance", "leaf".
    trees : dict of str to list
        The nodes.
    weights : list of float
        By tree.
    variances : list of float
        By node, where they are a column.
    width : int
        How many features there were in training.
    """

    gives: list[str]
    trees: dict[str, Any]
    weights: list[float]
    variances: list[float]
    width: int
    source = Source(
        named_columns({"prediction": "predictionCol", "variance": "varianceCol", "leaf": "leafCol"}),
        **TREES,
        inputs=Param("featuresCol", as_tuple),
        variances=lambda stage: by_node(stage, variance, 0.0) if stage.params.get("varianceCol") else [],
    )

    @property
    def output_types(self) -> tuple[str, ...]:
        """Doubles, and the leaf column."""
        return tuple(self.leaf_type if column == "leaf" else "double" for column in self.gives)

    def predict(self, features: Vector) -> float:
        """Return the prediction."""
        return self.combined([self.nodes.value[leaf] for leaf in self.nodes.leaves(self.kind, features)])

    @abstractmethod
    def combined(self, values: Sequence[float]) -> float:
        """Return the prediction out of those of the trees."""

    @abstractmethod
    def combined_lines(self, target: str, names: Sequence[str], bind: Bind) -> list[str]:
        """Return lines that assign what :meth:`combined` returns."""

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the columns."""
        leaves = self.nodes.leaves(self.kind, self.features(values[0]))
        answers: dict[str, Any] = {"prediction": self.combined([self.nodes.value[leaf] for leaf in leaves])}
        if "variance" in self.gives:
            answers["variance"] = self.variances[leaves[0]]
        if "leaf" in self.gives:
            answers["leaf"] = self.leaf_column(leaves)
        return tuple(answers[column] for column in self.gives)

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return the trees as nested questions, if they are not too many."""
        call = super().generate(values, types, outputs, bind)
        if not self.generated(outputs, self.gives):
            return call
        features = [f"{outputs[0]}_{index}" for index in range(self.width)]
        names = [f"{outputs[0]}_tree{index}" for index in range(len(self.nodes.roots))]
        lines = tree_lines(self.nodes, features, names, lambda node: bound(self.nodes.value[node], bind), bind)
        lines += self.combined_lines(outputs[0], names, bind)
        return guarded(values[0], features, lines, call, bind)


@register
@dataclass(frozen=True)
class DecisionTreeRegressionModel(_TreeRegressor):
    """The local form of ``pyspark.ml.regression.DecisionTreeRegressionModel``."""

    kind = "DecisionTreeRegressionModel"
    spark_class = "org.apache.spark.ml.regression.DecisionTreeRegressionModel"
    single = True

    def combined(self, values: Sequence[float]) -> float:
        """Return the only one."""
        return values[0]

    def combined_lines(self, target: str, names: Sequence[str], bind: Bind) -> list[str]:
        """Return the only one."""
        del bind
        return [f"{target} = {names[0]}"]


@register
@dataclass(frozen=True)
class RandomForestRegressionModel(_TreeRegressor):
    """The local form of ``pyspark.ml.regression.RandomForestRegressionModel``."""

    kind = "RandomForestRegressionModel"
    spark_class = "org.apache.spark.ml.regression.RandomForestRegressionModel"

    def combined(self, values: Sequence[float]) -> float:
        """Return the mean."""
        return total(values) / len(values)

    def combined_lines(self, target: str, names: Sequence[str], bind: Bind) -> list[str]:
        """Return the mean."""
        count = bind(float(len(names)), ("trees", len(names)))
        return [*sum_lines(target, [bind(0.0, "zero"), *names]), f"{target} = {target} / {count}"]


@register
@dataclass(frozen=True)
class GBTRegressionModel(_TreeRegressor):
    """The local form of ``pyspark.ml.regression.GBTRegressionModel``."""

    kind = "GBTRegressionModel"
    spark_class = "org.apache.spark.ml.regression.GBTRegressionModel"

    def combined(self, values: Sequence[float]) -> float:
        """Return the weighted sum."""
        return total([value * weight for value, weight in zip(values, self.weights, strict=True)])

    def combined_lines(self, target: str, names: Sequence[str], bind: Bind) -> list[str]:
        """Return the weighted sum."""
        return weighted_sum_lines(target, names, self.weights, bind)
