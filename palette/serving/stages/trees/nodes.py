"""The nodes of tree models as flat lists: read from what Spark saved, and walked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from palette.errors import DataError
from palette.serving.stages.vectors import Vector, dense

__all__ = ["Trees", "trees_of", "variance"]


@dataclass(frozen=True)
class Trees:
    """Nodes of one tree after another, each in depth-first order, left before right.

    Parameters
    ----------
    roots : list of int
        The first node of each tree.
    feature : list of int
        The feature that a node asks for; -1 for leaves.
    threshold : list of float
        A value up to it goes left.
    choice : list of int
        Where the node asks for a category, its index in `choices`; else -1.
    choices : list of list of float
        The categories that go one way, after a 1.0 if that is left and a 0.0 if it is right.
    left, right : list of int
        The nodes below; of leaves -1.
    value : list of float
        The prediction.
    leaf : list of int
        The number of a leaf within its tree; -1 for others.
    """

    roots: list[int]
    feature: list[int]
    threshold: list[float]
    choice: list[int]
    choices: list[list[float]]
    left: list[int]
    right: list[int]
    value: list[float]
    leaf: list[int]

    def to_json(self) -> dict[str, list[Any]]:
        """Return the lists by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def leaf_of(self, root: int, features: list[float]) -> int:
        """Return the node in which a vector ends."""
        node = root
        while (feature := self.feature[node]) >= 0:
            value = features[feature]
            if self.choice[node] >= 0:
                way, *categories = self.choices[self.choice[node]]
                goes_left = (value in categories) == (way == 1.0)
            else:
                goes_left = value <= self.threshold[node]
            node = self.left[node] if goes_left else self.right[node]
        return node

    def leaves(self, kind: str, features: Vector) -> list[int]:
        """Return the node in which a vector ends, for each tree.

        Raises
        ------
        DataError
            If the vector has fewer elements than the trees ask for.
        """
        elements = dense(features)
        try:
            return [self.leaf_of(root, elements) for root in self.roots]
        except IndexError:
            most = max(self.feature) + 1
            raise DataError(f"{kind}: the vector has {len(elements)} elements, the model needs {most}") from None


def variance(statistics: Sequence[float]) -> float:
    """Return the variance of the labels of a leaf, given their number, their sum, and that of their squares.

    The impurity that Spark saves beside them is -1 where a leaf had no valid split.

    Examples
    --------
    >>> variance([4.0, 6.0, 14.0])
    1.25
    """
    count, total, squares = statistics
    return (squares - total * total / count) / count if count else 0.0


def trees_of(rows: Sequence[dict[str, Any]]) -> tuple[Trees, dict[int, list[float]]]:
    """Return trees from the rows that Spark saved, and the statistics of each leaf.

    The rows of ensembles have the number of their tree, those of a single tree have not.
    """
    nodes: dict[int, dict[int, dict[str, Any]]] = {}
    for row in rows:
        data = row.get("nodeData", row)
        nodes.setdefault(row.get("treeID", 0), {})[data["id"]] = data
    trees = Trees([], [], [], [], [], [], [], [], [])
    statistics: dict[int, list[float]] = {}
    for _, tree in sorted(nodes.items()):
        trees.roots.append(len(trees.feature))
        leaves = 0
        # A node, and the list and index where its own index is to be written.
        waiting: list[tuple[int, list[int], int]] = [(0, [0], 0)]
        while waiting:
            number, list_, at = waiting.pop()
            data, index = tree[number], len(trees.feature)
            list_[at] = index
            inner = data["leftChild"] >= 0
            split = data["split"]
            categorical = inner and split["numCategories"] >= 0
            trees.feature.append(split["featureIndex"] if inner else -1)
            trees.threshold.append(split["leftCategoriesOrThreshold"][0] if inner and not categorical else 0.0)
            trees.choice.append(len(trees.choices) if categorical else -1)
            if categorical:
                trees.choices.append(_choice(split))
            trees.left.append(-1)
            trees.right.append(-1)
            trees.value.append(data["prediction"])
            trees.leaf.append(-1 if inner else leaves)
            if inner:
                waiting += [(data["rightChild"], trees.right, index), (data["leftChild"], trees.left, index)]
            else:
                statistics[index] = data["impurityStats"]
                leaves += 1
    return trees, statistics


def _choice(split: dict[str, Any]) -> list[float]:
    """Return the side that Spark looks categories up on; one that training did not see goes to the other."""
    left, count = split["leftCategoriesOrThreshold"], split["numCategories"]
    # Spark keeps the side with at most half of them.
    if len(left) <= count // 2:
        return [1.0, *left]
    return [0.0, *(float(category) for category in range(count) if float(category) not in left)]
