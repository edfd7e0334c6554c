"""Named polygons from GeoJSON, and the search for the one that contains a point."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["OUTLINES", "Regions", "parse_regions", "point_udf"]

Ring: TypeAlias = "list[tuple[float, float, float, float]]"

_SPLIT = "split it at the antimeridian, into a MultiPolygon of both sides"
_SHAPE = "must be a GeoJSON FeatureCollection of polygons that have a property 'name'"

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
                        [[0, 0], [1, 0], [1, 1], [0, 1]],
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
"""A square with a hole, its ring not closed, and a triangle north of it: examples and edges of `regionId`."""


def point_udf(F: Any, function: Any) -> Any:
    """Return the UDF of a function of Arrow arrays ``lats`` and ``longs`` that returns an array of strings.

    Spark ships a function defined inside another one by value, so that workers need not have this package.
    """
    import pyarrow as pa

    function.__annotations__ = dict.fromkeys(("lats", "longs", "return"), pa.Array)  # Spark needs types, not strings
    return F.arrow_udf(function, "string")


class Regions:
    """Polygons by name, prepared for searching.

    A point belongs to the first polygon with a part whose outer ring contains it, and none of whose holes does. A ring
    contains a point if an odd number of its edges is to the east, so of two polygons that share an edge, one contains
    its points. Coordinates are planar: a polygon across the antimeridian is written as two, as GeoJSON requires.

    Parameters
    ----------
    outlines : list of (str, list of list of ring)
        Names and parts; a part is its outer ring and holes, as edges (longitude, latitude, longitude, latitude).
    """

    def __init__(self, outlines: list[tuple[str, list[list[Ring]]]]) -> None:
        self._outlines = outlines

    def find(self, lat: float, long: float) -> str | None:
        """Return the name of the polygon that contains a point, or None.

        Examples
        --------
        >>> parse_regions(OUTLINES).find(0.5, 0.5)
        'south'
        """
        for name, parts in self._outlines:
            for outer, *holes in parts:
                if _contains(outer, lat, long) and not any(_contains(hole, lat, long) for hole in holes):
                    return name
        return None

    def column(self, F: Any, lat: Column, long: Column) -> Column:
        """Return the name as a Column."""
        outlines = self._outlines

        # Workers have numpy; the arithmetic is that of `_contains`.
        def names(lats: Any, longs: Any) -> Any:
            import numpy as np
            import pyarrow as pa

            y, x = lats.to_numpy(False), longs.to_numpy(False)

            def contained(ring: Any) -> Any:
                inside = np.zeros(len(y), bool)
                for x1, y1, x2, y2 in ring:
                    crosses = np.flatnonzero((y1 > y) != (y2 > y))
                    inside[crosses] ^= x[crosses] < (x2 - x1) * (y[crosses] - y1) / (y2 - y1) + x1
                return inside

            chosen = np.full(len(y), len(outlines))
            for index in reversed(range(len(outlines))):
                for outer, *holes in outlines[index][1]:
                    inside = contained(outer)
                    for hole in holes:
                        inside &= ~contained(hole)
                    chosen[inside] = index
            return pa.array([*(name for name, _ in outlines), None], "string").take(pa.array(chosen))

        return point_udf(F, names)(lat, long)


def _contains(ring: Ring, lat: float, long: float) -> bool:
    inside = False
    for x1, y1, x2, y2 in ring:
        if (y1 > lat) != (y2 > lat) and long < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


@lru_cache(maxsize=64)
def parse_regions(text: str) -> Regions:
    """Parse a GeoJSON FeatureCollection; a ring without its last point is closed.

    Raises
    ------
    ValueError
        It is invalid, or a feature has no name or no polygon; a point is off the globe, or a ring has fewer than
        three points or spans more than 180 degrees of longitude.

    Examples
    --------
    >>> parse_regions("{}")
    Traceback (most recent call last):
    ValueError: must be a GeoJSON FeatureCollection of polygons that have a property 'name'
    """
    try:
        outlines = [_outline(feature) for feature in json.loads(text)["features"]]
    except RingError as error:
        raise ValueError(str(error)) from None
    except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise ValueError(_SHAPE) from error
    return Regions(outlines)


class RingError(Exception):
    """Invalid ring."""


def _outline(feature: dict[str, Any]) -> tuple[str, list[list[Ring]]]:
    geometry, name = feature["geometry"], feature["properties"]["name"]
    parts = {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}[geometry["type"]]
    if not isinstance(name, str) or not parts or not all(parts):
        raise ValueError
    return name, [[_ring(name, points) for points in part] for part in parts]


def _ring(name: str, points: list[list[Any]]) -> Ring:
    """Return the edges of a ring."""
    for point in points:
        if any(isinstance(angle, bool) or not isinstance(angle, (int, float)) for angle in point[:2]):
            raise ValueError
    positions = [(float(long), float(lat)) for long, lat, *_ in points]
    for long, lat in positions:
        if not (abs(long) <= 180 and abs(lat) <= 90):
            swapped = abs(long) <= 90 < abs(lat) <= 180
            across = abs(lat) <= 90 and 180 < abs(long) <= 540
            remedy = "; longitude comes first" if swapped else f"; {_SPLIT}" if across else ""
            raise RingError(f"must have points on the globe, found [{long:g}, {lat:g}] in {name!r}{remedy}")
    if len(set(positions)) < 3:
        raise RingError(f"must have rings of at least three points, found one of {len(set(positions))} in {name!r}")
    longs = [long for long, _ in positions]
    if (span := max(longs) - min(longs)) > 180:
        raise RingError(f"must have rings of at most 180 degrees of longitude, found {span:g} in {name!r}: {_SPLIT}")
    # A level edge is never crossed.
    return [(*start, *end) for start, end in pairwise([*positions, positions[0]]) if start[1] != end[1]]
