"""Decision trees, random forests and boosted trees of labels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from palette.serving.stages.base import Bind
from palette.serving.stages.linear.weights import guarded, sum_lines
from palette.serving.stages.models.base import COLUMNS, Classifier, classifier, exp
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Source, named_columns
from palette.serving.stages.trees.codegen import tree_lines
from palette.serving.stages.trees.model import MODEL, TREES, TreeModel, bound, by_node, total, weighted_sum_lines
from palette.serving.stages.vectors import Vector

__all__ = ["DecisionTreeClassificationModel", "GBTClassificationModel", "RandomForestClassificationModel"]


def _source(vote: Callable[[list[float]], list[float]]) -> Source:
    """Return the source of a model; ``vote`` turns the counts of the classes in a leaf into its vote."""
    columns = named_columns({**COLUMNS, "leaf": "leafCol"})
    return Source(
        {**classifier(lambda stage: MODEL(stage)["classes"]), **TREES, **columns},
        votes=lambda stage: by_node(stage, vote, []),
    )


def _shares(counts: list[float]) -> list[float]:
    count = total(counts)
    return [part / count for part in counts] if count else [0.0] * len(counts)


@dataclass(frozen=True)
class _TreeClassifier(TreeModel, Classifier):
    """Trees of labels.

    Parameters
    ----------
    trees : dict of str to list
        The nodes.
    weights : list of float
        By tree.
    votes : list of list of float
        By node the vote of a leaf for each class; of others empty.
    width : int
        How many features there were in training.
    """

    trees: dict[str, Any]
    weights: list[float]
    votes: list[list[float]]
    width: int

    @property
    def output_types(self) -> tuple[str, ...]:
        """Vectors, a double for the label, and the leaf column."""
        types = {"prediction": "double", "leaf": self.leaf_type}
        return tuple(types.get(column, "vector") for column in self.gives)

    @abstractmethod
    def raw_of(self, leaves: Sequence[int]) -> list[float]:
        """Return the scores by class for the leaves of all trees."""

    def raw(self, features: Vector) -> list[float]:
        """Return the scores by class."""
        return self.raw_of(self.nodes.leaves(self.kind, features))

    def probability(self, raw: list[float]) -> list[float]:
        """Return the scores' shares."""
        score_sum = total(raw)
        return [score / score_sum for score in raw] if score_sum else list(raw)

    def label_of_leaves(self, leaves: Sequence[int]) -> float:
        """Return the label where it is the only column of the three."""
        return self.label_of_raw(self.raw_of(leaves))

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the columns, each from the one before it as Spark does."""
        leaves = self.nodes.leaves(self.kind, self.features(values[0]))
        answers: dict[str, Any] = {}
        if "raw" in self.gives or "probability" in self.gives:
            raw = answers["raw"] = self.raw_of(leaves)
            if "probability" in self.gives:
                answers["probability"] = self.probability(raw)
            if "prediction" in self.gives:
                by_raw = "raw" in self.gives
                answers["prediction"] = (
                    self.label_of_raw(raw) if by_raw else self.label_of_probability(answers["probability"])
                )
        elif "prediction" in self.gives:
            answers["prediction"] = self.label_of_leaves(leaves)
        if "leaf" in self.gives:
            answers["leaf"] = self.leaf_column(leaves)
        return tuple(answers[column] for column in self.gives)

    @abstractmethod
    def leaf_name(self, node: int, bind: Bind) -> str:
        """Return the name of what a leaf gives to generated code."""

    @abstractmethod
    def raw_lines(self, target: str, names: Sequence[str], bind: Bind) -> list[str]:
        """Return lines that assign what :meth:`raw_of` returns, of what the leaves gave."""

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return the trees as nested questions, if they are not too many and the scores are requested."""
        call = super().generate(values, types, outputs, bind)
        if not self.generated(outputs, self.gives) or "raw" not in self.gives:
            return call
        named = dict(zip(self.gives, outputs, strict=True))
        features = [f"{outputs[0]}_{index}" for index in range(self.width)]
        names = [f"{outputs[0]}_tree{index}" for index in range(len(self.nodes.roots))]
        lines = tree_lines(self.nodes, features, names, lambda node: self.leaf_name(node, bind), bind)
        lines += self.raw_lines(named["raw"], names, bind)
        if "probability" in named:
            lines.append(
                f"{named['probability']} = {bind(self.probability, ('probability', id(self)))}({named['raw']})"
            )
        if "prediction" in named:
            lines.append(f"{named['prediction']} = {bind(self.label_of_raw, ('label', id(self)))}({named['raw']})")
        return guarded(values[0], features, lines, call, bind)


@register
@dataclass(frozen=True)
class DecisionTreeClassificationModel(_TreeClassifier):
    """The local form of ``pyspark.ml.classification.DecisionTreeClassificationModel``."""

    kind = "DecisionTreeClassificationModel"
    spark_class = "org.apache.spark.ml.classification.DecisionTreeClassificationModel"
    single = True
    source = _source(list)

    def raw_of(self, leaves: Sequence[int]) -> list[float]:
        """Return the counts of the leaf."""
        return list(self.votes[leaves[0]])

    def label_of_leaves(self, leaves: Sequence[int]) -> float:
        """Return the label of the leaf: thresholds do not count here, as they do not in Spark."""
        return self.nodes.value[leaves[0]]

    def leaf_name(self, node: int, bind: Bind) -> str:
        """Return the name of the counts."""
        return bind(self.votes[node], ("votes", id(self), node))

    def raw_lines(self, target: str, names: Sequence[str], bind: Bind) -> list[str]:
        """Return a copy of the counts."""
        del bind
        return [f"{target} = [*{names[0]}]"]


@register
@dataclass(frozen=True)
class RandomForestClassificationModel(_TreeClassifier):
    """The local form of ``pyspark.ml.classification.RandomForestClassificationModel``."""

    kind = "RandomForestClassificationModel"
    spark_class = "org.apache.spark.ml.classification.RandomForestClassificationModel"
    source = _source(_shares)

    def raw_of(self, leaves: Sequence[int]) -> list[float]:
        """Return the sums of the shares."""
        return [total(shares) for shares in zip(*(self.votes[leaf] for leaf in leaves), strict=True)]

    def leaf_name(self, node: int, bind: Bind) -> str:
        """Return the name of the shares."""
        return bind(self.votes[node], ("votes", id(self), node))

    def raw_lines(self, target: str, names: Sequence[str], bind: Bind) -> list[str]:
        """Return the sums of the shares."""
        zero = bind(0.0, "zero")
        classes = range(max(map(len, self.votes)))
        sums = [f"{target}_class{index}" for index in classes]
        lines = []
        for index, name in zip(classes, sums, strict=True):
            lines += sum_lines(name, [zero, *(f"{shares}[{bind(index, ('index', index))}]" for shares in names)])
        return [*lines, f"{target} = [{', '.join(sums)}]"]


@register
@dataclass(frozen=True)
class GBTClassificationModel(_TreeClassifier):
    """The local form of ``pyspark.ml.classification.GBTClassificationModel``."""

    kind = "GBTClassificationModel"
    spark_class = "org.apache.spark.ml.classification.GBTClassificationModel"
    source = _source(lambda _: [])  # the trees are of numbers

    def raw_of(self, leaves: Sequence[int]) -> list[float]:
        """Return the weighted sum, its negative before it."""
        products = [self.nodes.value[leaf] * weight for leaf, weight in zip(leaves, self.weights, strict=True)]
        margin = total(products)
        return [-margin, margin]

    def probability(self, raw: list[float]) -> list[float]:
        """Return the logistic of twice the sum."""
        first = 1.0 / (1.0 + exp(-2.0 * raw[0]))
        return [first, 1.0 - first]

    def leaf_name(self, node: int, bind: Bind) -> str:
        """Return the name of the leaf's number."""
        return bound(self.nodes.value[node], bind)

    def raw_lines(self, target: str, names: Sequence[str], bind: Bind) -> list[str]:
        """Return the weighted sum, its negative before it."""
        margin = f"{target}_margin"
        return [*weighted_sum_lines(margin, names, self.weights, bind), f"{target} = [-{margin}, {margin}]"]
