"""Geography: cells, named regions, geohashes and distances. Angles are in degrees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dsl.dtypes import INT, NUM, STR
from dsl.functions.polygons import OUTLINES, parse_regions, point_udf
from dsl.registry import REGISTRY, Arg, Nulls

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["Geohash", "Haversine", "RegionId"]

_EARTH_RADIUS_KM = 6371.0088  # the mean radius of the IUGG
_COORDINATES = [None, -180.0, -90.0, -5e-324, 0.0, 0.5, 37.775, 45.0, 90.0, 90.5, 180.0, 180.5, math.inf, math.nan]


def _check_resolution(resolution: int) -> None:
    if not 0 <= resolution <= 15:
        raise ValueError(f"must be an H3 resolution, 0 to 15, found {resolution}")


def _check_precision(precision: int) -> None:
    if not 1 <= precision <= 12:
        raise ValueError(f"must be a number of characters, 1 to 12, found {precision}")


def _on_earth(lat: Column, long: Column) -> Column:
    return lat.between(-90.0, 90.0) & long.between(-180.0, 180.0)


@REGISTRY.register(
    "regionId",
    Arg("lat", NUM),
    Arg("long", NUM),
    Arg("resolution", INT, constant=True, default=8, check=_check_resolution),
    Arg("polygons", STR, constant=True, default=None, check=parse_regions),
    returns=STR,
    nulls=Nulls.HANDLED,
    examples=[
        ((37.775, -122.418), "8828308281fffff"),
        ((37.775, -122.418, 0), "8029fffffffffff"),
        ((91.0, 0.0), None),
        ((0.5, 0.5, 8, OUTLINES), "south"),
        ((1.5, 0.5, 8, OUTLINES), "north"),
        ((0.2, 0.2, 8, OUTLINES), None),
        ((0.5, -100.0, 8, OUTLINES), None),
    ],
    edges={"lat": _COORDINATES, "long": _COORDINATES, "resolution": [0, 8, 15], "polygons": [None, OUTLINES]},
)
class RegionId:
    """H3 cell of a point, or with `polygons` (a GeoJSON FeatureCollection) the name of the first that contains it.

    Null off the globe or outside all polygons; a ring spans at most 180 degrees of longitude.
    """

    @staticmethod
    def column(F: Any, lat: Column, long: Column, resolution: int, polygons: str | None) -> Column:
        if polygons is not None:
            return parse_regions(polygons).column(F, lat, long)

        # Workers have h3.
        def cells(lats: Any, longs: Any) -> Any:
            import h3
            import pyarrow as pa

            to_cell = h3.latlng_to_cell
            return pa.array(
                [
                    to_cell(lat, long, resolution) if -90 <= lat <= 90 and -180 <= long <= 180 else None
                    for lat, long in zip(lats.to_numpy(False), longs.to_numpy(False), strict=True)
                ],
                "string",
            )

        return point_udf(F, cells)(lat, long)

    @staticmethod
    def row(lat: float | None, long: float | None, resolution: int, polygons: str | None) -> str | None:
        if lat is None or long is None or resolution is None:
            return None
        if polygons is not None:
            return parse_regions(polygons).find(lat, long)
        return _to_cell(lat, long, resolution) if -90 <= lat <= 90 and -180 <= long <= 180 else None


def _to_cell(lat: float, long: float, resolution: int) -> str:
    global _to_cell  # noqa: PLW0603 - replaced by h3's on first use: importing it costs more than all the rest

    from h3 import latlng_to_cell as _to_cell

    return _to_cell(lat, long, resolution)


# The character of five bits, where three of one coordinate (first, third and fifth) alternate with two of the other.
_ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
_LETTERS = "".join(
    _ALPHABET[(three & 4) << 2 | (three & 2) << 1 | three & 1 | (two & 2) << 2 | (two & 1) << 1]
    for three in range(8)
    for two in range(4)
)


def _letter_bits(precision: int) -> tuple[int, int, list[tuple[bool, int, int]]]:
    """Return the bits of longitude and latitude; for each character whether longitude has three, and both shifts."""
    long_bits, lat_bits = (5 * precision + 1) // 2, 5 * precision // 2
    letters, long_left, lat_left = [], long_bits, lat_bits
    for index in range(precision):
        long_has_three = index % 2 == 0
        long_left -= 3 if long_has_three else 2
        lat_left -= 2 if long_has_three else 3
        letters.append((long_has_three, long_left, lat_left))
    return long_bits, lat_bits, letters


@REGISTRY.register(
    "geohash",
    Arg("lat", NUM),
    Arg("long", NUM),
    Arg("precision", INT, constant=True, default=6, check=_check_precision),
    returns=STR,
    examples=[((57.64911, 10.40744, 11), "u4pruydqqvj"), ((0.0, 0.0, 1), "s"), ((91.0, 0.0), None)],
    edges={"lat": _COORDINATES, "long": _COORDINATES, "precision": [1, 2, 5, 12]},
)
class Geohash:
    """Geohash of a point, with `precision` characters. Null off the globe."""

    @staticmethod
    def column(F: Any, lat: Column, long: Column, precision: int) -> Column:
        def steps(angle: Column, bits: int, span: float) -> Column:
            step = F.floor(angle * 2.0**bits / span) + 2 ** (bits - 1)
            return F.least(step, F.lit(2**bits - 1))

        long_bits, lat_bits, shifts = _letter_bits(precision)
        x, y = steps(long, long_bits, 360.0), steps(lat, lat_bits, 180.0)
        letters = []
        for long_has_three, long_shift, lat_shift in shifts:
            (three, by_three), (two, by_two) = (x, long_shift), (y, lat_shift)
            if not long_has_three:
                (three, by_three), (two, by_two) = (two, by_two), (three, by_three)
            index = F.shiftright(three, by_three).bitwiseAND(7) * 4 + F.shiftright(two, by_two).bitwiseAND(3)
            letters.append(F.substring(F.lit(_LETTERS), (index + 1).cast("int"), F.lit(1)))
        return F.when(_on_earth(lat, long), F.concat(*letters))

    @staticmethod
    def row(lat: float, long: float, precision: int) -> str | None:
        if not (-90 <= lat <= 90 and -180 <= long <= 180):
            return None
        long_bits, lat_bits, shifts = _letter_bits(precision)
        x = min(math.floor(long * 2.0**long_bits / 360.0) + 2 ** (long_bits - 1), 2**long_bits - 1)
        y = min(math.floor(lat * 2.0**lat_bits / 180.0) + 2 ** (lat_bits - 1), 2**lat_bits - 1)
        letters = []
        for long_has_three, long_shift, lat_shift in shifts:
            three, two = x >> long_shift, y >> lat_shift
            if not long_has_three:
                three, two = two, three
            letters.append(_LETTERS[(three & 7) * 4 + (two & 3)])
        return "".join(letters)


@REGISTRY.register(
    "haversine",
    Arg("lat1", NUM),
    Arg("long1", NUM),
    Arg("lat2", NUM),
    Arg("long2", NUM),
    returns=NUM,
    ulps=6,
    examples=[((0.0, 0.0, 0.0, 0.0), 0.0), ((0.0, 0.0, 0.0, 180.0), math.pi * _EARTH_RADIUS_KM), ((91.0,) * 4, None)],
    edges=dict.fromkeys(("lat1", "long1", "lat2", "long2"), (None, -180.0, -90.0, 0.0, 37.775, 90.0, math.nan)),
)
class Haversine:
    """Great-circle distance between two points, in kilometres. Null when either is off the globe."""

    # The distance from the first point, and from its antipode: both are sums of squares, so that neither near nor
    # opposite points lose digits, as they do in asin(sqrt(near)).

    @staticmethod
    def column(F: Any, lat1: Column, long1: Column, lat2: Column, long2: Column) -> Column:
        def squared(x: Column) -> Column:
            return x * x

        half_long = F.radians(long2 - long1) / 2.0
        cosines = F.cos(F.radians(lat1)) * F.cos(F.radians(lat2))
        near = squared(F.sin(F.radians(lat2 - lat1) / 2.0)) + cosines * squared(F.sin(half_long))
        far = squared(F.sin(F.radians(lat2 + lat1) / 2.0)) + cosines * squared(F.cos(half_long))
        distance = F.atan2(F.sqrt(near), F.sqrt(far)) * (2.0 * _EARTH_RADIUS_KM)
        return F.when(_on_earth(lat1, long1) & _on_earth(lat2, long2), distance)

    @staticmethod
    def row(lat1: float, long1: float, lat2: float, long2: float) -> float | None:
        if not (-90 <= lat1 <= 90 and -90 <= lat2 <= 90 and -180 <= long1 <= 180 and -180 <= long2 <= 180):
            return None
        radians, sin, cos = math.radians, math.sin, math.cos
        half_long = radians(long2 - long1) / 2.0
        cosines = cos(radians(lat1)) * cos(radians(lat2))
        sin_lat, sin_sum = sin(radians(lat2 - lat1) / 2.0), sin(radians(lat2 + lat1) / 2.0)
        sin_long, cos_long = sin(half_long), cos(half_long)
        near = sin_lat * sin_lat + cosines * (sin_long * sin_long)
        far = sin_sum * sin_sum + cosines * (cos_long * cos_long)
        return math.atan2(math.sqrt(near), math.sqrt(far)) * (2.0 * _EARTH_RADIUS_KM)
