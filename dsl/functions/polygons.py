"""Named polygons out of GeoJSON, and which of them holds a place."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["OUTLINES", "Regions", "place_udf", "regions_of"]

_SHAPE = "must be the text of a GeoJSON FeatureCollection of polygons that have a property 'name'"

OUTLINES = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "south"},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [
                        [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]],
                        [[0.1, 0.1], [0.3, 0.1], [0.3, 0.3], [0.1, 0.3], [0.1, 0.1]],
                    ],
                },
            },
            {
                "type": "Feature",
                "properties": {"name": "north"},
                "geometry": {"type": "MultiPolygon", "coordinates": [[[[0, 1], [1, 1], [0.5, 2], [0, 1]]]]},
            },
        ],
    }
)
"""A square with a hole, and a triangle north of it: examples and edges of `regionId`."""


def place_udf(F: Any, texts: Any) -> Any:
    """Make a UDF of a function that takes Arrow arrays ``lats`` and ``longs`` and returns one of texts.

    Spark ships a function defined inside another one by value, so that workers need not have this package.
    """
    import pyarrow as pa

    texts.__annotations__ = dict.fromkeys(("lats", "longs", "return"), pa.Array)  # Spark wants them as types
    return F.arrow_udf(texts, "string")


class Regions:
    """Polygons by name, ready to be searched.

    A place belongs to the first polygon with an odd number of edges to the east of it; holes follow from that, and of
    two polygons that share an edge, one holds its points. Coordinates are taken as a plane: a polygon across the
    antimeridian is written as two, as GeoJSON asks.

    Parameters
    ----------
    outlines : list of (str, list of edge)
        Names, and edges as (longitude, latitude, longitude, latitude).
    """

    def __init__(self, outlines: list[tuple[str, list[tuple[float, float, float, float]]]]) -> None:
        self._outlines = outlines

    def find(self, lat: float, long: float) -> str | None:
        """Return the name of the polygon that holds a place, or None.

        Examples
        --------
        >>> regions_of(OUTLINES).find(0.5, 0.5)
        'south'
        """
        for name, edges in self._outlines:
            inside = False
            for x1, y1, x2, y2 in edges:
                if (y1 > lat) != (y2 > lat) and long < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
                    inside = not inside
            if inside:
                return name
        return None

    def column(self, F: Any, lat: Column, long: Column) -> Column:
        """Return the name as a Column."""
        outlines = self._outlines

        # Workers have numpy; the arithmetic is that of `find`.
        def names(lats: Any, longs: Any) -> Any:
            import numpy as np
            import pyarrow as pa

            y, x = lats.to_numpy(False), longs.to_numpy(False)
            chosen = np.full(len(y), len(outlines))
            for index in reversed(range(len(outlines))):
                inside = np.zeros(len(y), bool)
                for x1, y1, x2, y2 in outlines[index][1]:
                    crosses = np.flatnonzero((y1 > y) != (y2 > y))
                    inside[crosses] ^= x[crosses] < (x2 - x1) * (y[crosses] - y1) / (y2 - y1) + x1
                chosen[inside] = index
            return pa.array([*(name for name, _ in outlines), None], "string").take(pa.array(chosen))

        return place_udf(F, names)(lat, long)


@lru_cache(maxsize=64)
def regions_of(text: str) -> Regions:
    """Read a GeoJSON FeatureCollection.

    Raises
    ------
    ValueError
        It is none, or a feature has no name or no polygon.

    Examples
    --------
    >>> regions_of("{}")
    Traceback (most recent call last):
    ValueError: must be the text of a GeoJSON FeatureCollection of polygons that have a property 'name'
    """
    try:
        features = json.loads(text)["features"]
        return Regions([_outline(feature) for feature in features])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(_SHAPE) from error


def _outline(feature: dict[str, Any]) -> tuple[str, list[tuple[float, float, float, float]]]:
    geometry = feature["geometry"]
    parts = {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}[geometry["type"]]
    edges = [
        (float(x1), float(y1), float(x2), float(y2))
        for part in parts
        for ring in part
        for (x1, y1, *_), (x2, y2, *_) in pairwise(ring)
        if y1 != y2  # a level edge is never crossed
    ]
    name = feature["properties"]["name"]
    if not isinstance(name, str) or not edges:
        raise ValueError
    return name, edges
