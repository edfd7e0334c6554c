"""Feature expressions are resolved at one revision of the catalog, each name parsed once."""

from __future__ import annotations

from collections import Counter

import pytest

from palette import Entity, Feature, FeatureGroup
from palette.catalog import SqlCatalog
from palette.catalog.definitions.definitions import Definitions
from palette.catalog.definitions.resolve import resolve_columns
from palette.definitions import expressions
from palette.errors import FeatureNotFoundError, SchemaError


@pytest.fixture
def catalog(tmp_path):
    catalog = SqlCatalog.in_directory(tmp_path)
    groups = [FeatureGroup(f"g{n}", "thing", [Feature(f"f{m}", "double") for m in range(4)]) for n in range(5)]
    catalog.definitions.apply([Entity("thing", keys={"id": "string"}), *groups])
    return catalog


def test_catalog_is_asked_once_and_each_name_parsed_once(catalog, monkeypatch):
    names = [f"thing:g{n}:f{m}:key" for n in range(5) for m in range(4)]
    counts = Counter()
    view, parse = Definitions.view, expressions.parse_ref

    def counted(name, function):
        def call(*arguments):
            counts[name] += 1
            return function(*arguments)

        return call

    monkeypatch.setattr(Definitions, "view", counted("view", view))
    monkeypatch.setattr(expressions, "parse_ref", counted("parse", parse))
    resolved = resolve_columns(catalog, dict(zip(map(str, range(20)), names, strict=True)))
    assert [found.ref.name for found in resolved.values()] == names
    assert counts == {"view": 1, "parse": 20}


def test_columns_keep_their_order_and_stars_are_expanded(catalog):
    resolved = resolve_columns(catalog, ["thing:g1:*:key"])
    assert {column: found.ref.name for column, found in resolved.items()} == {
        f"f{m}": f"thing:g1:f{m}:key" for m in range(4)
    }
    with pytest.raises(SchemaError, match="would both fill column 'f0'"):
        resolve_columns(catalog, ["thing:g1:*:key", "thing:g2:f0:key"])
    with pytest.raises(FeatureNotFoundError, match="did you mean 'f3'"):
        resolve_columns(catalog, {"x": "thing:g1:f33:key"})
