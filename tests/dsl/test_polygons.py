"""Named polygons: valid and invalid rings. The parity suite proves that both compilers agree."""

from __future__ import annotations

import json
import math

import pytest

from dsl import parse
from dsl.errors import DslTypeError
from dsl.functions.polygons import parse_regions

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
HOLE = [[0.2, 0.2], [0.4, 0.2], [0.4, 0.4], [0.2, 0.4]]


def text(*rings, kind="Polygon", name="p"):
    geometry = {"type": kind, "coordinates": list(rings)}
    feature = {"type": "Feature", "properties": {"name": name}, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


def held(geojson, lat, long):
    return parse_regions(geojson).find(lat, long) == "p"


@pytest.mark.parametrize("close", [False, True])
def test_a_ring_is_closed(close):
    rings = [ring + ring[:1] if close else ring for ring in (SQUARE, HOLE)]
    found = {
        place: held(text(*rings), *place) for place in [(0.5, 0.5), (0.5, -100), (0.3, 0.3), (0.3, -100), (0.5, 2)]
    }
    assert found == {(0.5, 0.5): True, (0.5, -100): False, (0.3, 0.3): False, (0.3, -100): False, (0.5, 2): False}


def test_parts_that_overlap_hold_what_either_holds():
    more = [[long + 0.5, lat + 0.5] for long, lat in SQUARE]
    parts = text([SQUARE, HOLE], [more], kind="MultiPolygon")
    assert [held(parts, *place) for place in [(0.7, 0.7), (1.2, 1.2), (0.1, 0.1), (0.3, 0.3)]] == [True] * 3 + [False]


def test_what_crosses_the_antimeridian_is_two_parts():
    west = [[177, -19], [180, -19], [180, -16], [177, -16]]
    east = [[-180, -19], [-178, -19], [-178, -16], [-180, -16]]
    fiji = text([west], [east], kind="MultiPolygon")
    assert [held(fiji, -17, long) for long in (179, -179, 0, 170)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("rings", "message"),
    [
        pytest.param([[[170, 0], [-170, 0], [-170, 9], [170, 9]]], "found 340 in 'p': split it at the", id="across"),
        pytest.param([[[170, 0], [190, 0], [190, 9]]], r"found \[190, 0\] in 'p'; split it at the", id="beyond"),
        pytest.param([[[37, -122], [38, -122], [38, -121]]], r"\[37, -122\] .* longitude comes first", id="swapped"),
        pytest.param([SQUARE, [[0, 0], [1, 1], [0, 0]]], "at least three points, found one of 2", id="two-points"),
        pytest.param([[[0, 0], [1, 1], [math.nan, 1]]], "points on the globe", id="nan"),
        pytest.param([[[0, 0], [5e5, 4e6], [1, 1]]], "points on the globe", id="metres"),
        pytest.param([[[0, 0], ["1", 1], [1, 0]]], "must be a GeoJSON", id="text"),
        pytest.param([], "must be a GeoJSON", id="no-ring"),
    ],
)
def test_what_is_no_ring_is_refused_when_built(rings, message):
    with pytest.raises(DslTypeError, match=message):
        parse(f"regionId('basis:lat', 'basis:long', 8, {text(*rings)!r})")
