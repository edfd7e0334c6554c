"""Every test of the catalog runs on both databases."""

from __future__ import annotations

import pytest

from palette.catalog import SqlCatalog
from palette.definitions import Entity, Feature, FeatureGroup


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_url(request, tmp_path_factory):
    """Return what makes an empty database and tells its URL."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'store' / 'catalog.db'}"
    return request.getfixturevalue("postgres_server").database


@pytest.fixture
def url(new_url):
    return new_url()


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
