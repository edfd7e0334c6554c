"""Every test of the catalog runs on both databases."""

from __future__ import annotations

import pytest

from palette.catalog import SqlCatalog
from palette.definitions import Entity, Feature, FeatureGroup


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'catalog.db'}"
    return request.getfixturevalue("postgres_server").database()


@pytest.fixture
def empty(url):
    catalog = SqlCatalog(url)
    yield catalog
    catalog.engine.dispose()


@pytest.fixture
def catalog(empty):
    restaurant = Entity("restaurant", keys={"uuid": "string"})
    empty.apply([restaurant, FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])])
    return empty
