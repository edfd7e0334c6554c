"""Keys as they are typed."""

from __future__ import annotations

import datetime as dt

import pytest

from palette.cli.erase import _key
from palette.definitions import Entity, FeatureGroup
from palette.errors import DataError
from palette.online import GroupTable


@pytest.mark.parametrize(
    ("keys", "typed", "expected"),
    [
        ({"id": "string"}, "r1", "r1"),
        ({"id": "string"}, "a,b", "a,b"),
        ({"id": "string"}, "", ""),
        ({"id": "bigint"}, "-7", -7),
        ({"id": "boolean"}, "True", True),
        ({"day": "date"}, "2026-03-01", dt.date(2026, 3, 1)),
        ({"at": "timestamp"}, "2026-03-01T12:00:00", dt.datetime(2026, 3, 1, 12)),
        ({"id": "string", "seat": "int"}, "a,1", ("a", 1)),
        ({"id": "string", "seat": "int"}, '"a,b",1', ("a,b", 1)),
    ],
)
def test_keys_are_those_of_the_entity(keys, typed, expected):
    entity = Entity("shop", keys=keys)
    found = _key(entity, typed)
    assert found == expected
    # As stores take them.
    table = GroupTable(entity, FeatureGroup("sums", entity="shop", features=[{"name": "x", "dtype": "double"}]))
    assert table.key(found) == expected


@pytest.mark.parametrize(
    ("keys", "typed"),
    [({"id": "int"}, "x"), ({"id": "boolean"}, "1"), ({"day": "date"}, "noon"), ({"id": "string", "seat": "int"}, "a")],
)
def test_what_is_none_is_refused(keys, typed):
    with pytest.raises(DataError, match="shop: "):
        _key(Entity("shop", keys=keys), typed)
