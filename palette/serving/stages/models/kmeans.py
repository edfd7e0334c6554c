"""Clusters: k-means and its bisecting form."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles, vector
from palette.serving.stages.models.base import REGRESSOR, Regressor
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, Param, Source, elements
from palette.serving.stages.vectors import Vector, active, dense

__all__ = ["BisectingKMeansModel", "KMeansModel"]

INF, NAN = math.inf, math.nan
EPSILON = 2.0**-52
# Spark looks at the distances between so many centers at most.
MANY = 1000


def _norm(values: Vector) -> float:
    total = 0.0
    for _, value in active(values):
        total += value * value
    return math.sqrt(total)


def _product(center: list[float], point: Vector) -> float:
    total = 0.0
    for index, value in active(point):
        total += center[index] * value
    return total


def _apart(center: list[float], point: list[float]) -> float:
    total = 0.0
    for coordinate, other in zip(center, point, strict=True):
        distance = coordinate - other
        total += distance * distance
    return total


def _squared(center: list[float], norm: float, point: Vector, length: float) -> float:
    """Return the squared distance; of a sparse point by way of the norms, unless that loses too many digits."""
    if isinstance(point, list):
        return _apart(center, point)
    squares, difference = norm * norm + length * length, norm - length
    if 2.0 * EPSILON * squares / (difference * difference + EPSILON) < 1e-6:
        return squares - 2.0 * _product(center, point)
    product = _product(center, point)
    distance = max(squares - 2.0 * product, 0.0)
    if EPSILON * (squares + 2.0 * abs(product)) / (distance + EPSILON) > 1e-6:
        return _apart(center, dense(point))
    return distance


def _cosine(center: list[float], norm: float, point: Vector, length: float) -> float:
    return 1.0 - _product(center, point) / norm / length


@dataclass(frozen=True)
class _Clusters(Regressor):
    """A model that adds the number of a cluster.

    Parameters
    ----------
    cosine : bool
        Whether distances are angles.
    """

    cosine: bool

    @property
    def reads_sparsity(self) -> bool:
        """Distances from sparse points are computed another way, which differs for infinities and near ties."""
        return True

    @property
    def output_types(self) -> tuple[str, ...]:
        """An integer."""
        return ("int",) * len(self.outputs)

    def length(self, point: Vector) -> float:
        """Return the length of a vector.

        Raises
        ------
        DataError
            If it is NaN, or zero and distances are angles.
        """
        length = _norm(point)
        if length != length:
            raise DataError(f"{self.kind}: {self.inputs[0]} has a NaN, which is near no center; fill it (nFill)")
        if self.cosine and not length > 0.0:
            raise DataError(f"{self.kind}: {self.inputs[0]} is a vector of zeros, which has no angle; drop such rows")
        return length

    def distance(self, center: list[float], norm: float, point: Vector, length: float) -> float:
        """Return the distance that is compared: squared, or one minus the cosine."""
        return (_cosine if self.cosine else _squared)(center, norm, point, length)


def _saved_centers(files: SavedFiles) -> list[list[float]]:
    rows = sorted(files.rows(), key=lambda row: int(row["clusterIdx"]))
    return [vector(row["clusterCenter"]) for row in rows]


_CENTERS = Data(lambda stage: [elements(center) for center in stage.clusterCenters()], saved=_saved_centers)
_COSINE = Param("distanceMeasure", lambda measure: measure == "cosine")


@register
@dataclass(frozen=True)
class KMeansModel(_Clusters):
    """The local form of ``pyspark.ml.clustering.KMeansModel``.

    Parameters
    ----------
    centers : list of list of float
        The centers.
    """

    centers: list[list[float]]

    kind = "KMeansModel"
    spark_class = "org.apache.spark.ml.clustering.KMeansModel"
    source = Source(
        REGRESSOR,
        size=lambda stage: len(_CENTERS(stage)[0]),
        cosine=_COSINE,
        centers=_CENTERS,
    )

    @cached_property
    def _norms(self) -> list[float]:
        return [_norm(center) for center in self.centers]

    @cached_property
    def _bounds(self) -> list[list[float]]:
        """By pair of centers, what is nearer to one than this is not nearer to the other; of one, to any other."""
        count = len(self.centers)
        if count == 1 or count >= MANY:
            return [[-INF] * count for _ in range(count)]
        bounds = [[INF] * count for _ in range(count)]
        for at in range(count):
            for other in range(at + 1, count):
                bound = self._bound(at, other)
                bounds[at][other] = bounds[other][at] = bound
                for center in (at, other):
                    bounds[center][center] = bound if bound < bounds[center][center] else bounds[center][center]
        return bounds

    def _bound(self, at: int, other: int) -> float:
        distance = self.distance(self.centers[at], self._norms[at], self.centers[other], self._norms[other])
        if not self.cosine:
            distance = math.sqrt(distance)
            return 0.25 * distance * distance
        rest = 1.0 - distance / 2.0
        return 1.0 - math.sqrt(rest) if rest >= 0.0 else NAN

    def predict(self, features: Vector) -> int:
        """Return the nearest center."""
        length, norms, bounds = self.length(features), self._norms, self._bounds
        best, nearest = 0, self.distance(self.centers[0], norms[0], features, length)
        if nearest < bounds[0][0]:
            return 0
        for index in range(1, len(self.centers)):
            apart = norms[index] - length
            if not self.cosine and not apart * apart < nearest:
                continue
            if bounds[index][best] < nearest:
                distance = self.distance(self.centers[index], norms[index], features, length)
                if distance < bounds[index][index]:
                    return index
                if distance < nearest:
                    best, nearest = index, distance
        return best


def _saved_tree(files: SavedFiles) -> list[list[Any]]:
    """Return number, center, its norm and indices of the children of each node, the root first."""
    lines = [part.read_text("utf-8") for part in sorted((files.path / "data" / "metadata").glob("part-*"))]
    root = json.loads("".join(lines))["rootId"]
    rows = sorted(files.rows("data/data"), key=lambda row: (row["index"] != root, row["index"]))
    indices = {row["index"]: index for index, row in enumerate(rows)}
    return [
        [row["index"], vector(row["center"]), row["norm"], [indices[child] for child in row["children"]]]
        for row in rows
    ]


def _live_tree(stage: Any) -> list[list[Any]]:
    from palette.serving.stages.copies import saved_copy  # What is served does without temporary files.

    return saved_copy(stage, _saved_tree)


_TREE = Data(_live_tree, saved=_saved_tree)


@register
@dataclass(frozen=True)
class BisectingKMeansModel(_Clusters):
    """The local form of ``pyspark.ml.clustering.BisectingKMeansModel``.

    Parameters
    ----------
    nodes : list of list
        The nodes of the tree, the root first: number of the cluster, center, its norm, indices of the children.
    """

    nodes: list[list[Any]]

    kind = "BisectingKMeansModel"
    spark_class = "org.apache.spark.ml.clustering.BisectingKMeansModel"
    source = Source(REGRESSOR, size=lambda stage: len(_TREE(stage)[0][1]), cosine=_COSINE, nodes=_TREE)

    def predict(self, features: Vector) -> int:
        """Return the leaf that is reached by going to the nearer child; the first of equals, NaN is farthest."""
        length, nodes = self.length(features), self.nodes
        at = 0
        while children := nodes[at][3]:
            distances = [self.distance(nodes[child][1], nodes[child][2], features, length) for child in children]
            best = min(range(len(children)), key=lambda index: (distances[index] != distances[index], distances[index]))
            at = children[best]
        return int(nodes[at][0])
