"""Every test of the catalog runs on both databases; the tables are made once, and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from palette.catalog import SqlCatalog
from palette.definitions import Entity, Feature, FeatureGroup


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def empty_url(request, tmp_path_factory):
    """Return what makes an empty database and returns its URL."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'store' / 'catalog.db'}"
    return request.getfixturevalue("postgres_server").database


@pytest.fixture(scope="session")
def new_url(empty_url, request):
    """Return what makes a database with the tables of a catalog and returns its URL."""
    made = SqlCatalog(empty_url())
    made.database.change(lambda connection: None)
    made.close()
    if made.database.path is None:
        template = made.database.engine.url.database
        return lambda: request.getfixturevalue("postgres_server").database(template)

    def copied():
        url = empty_url()
        path = Path(sa.make_url(url).database)
        path.parent.mkdir()
        shutil.copy(made.database.path, path)
        return url

    return copied


@pytest.fixture
def url(request, empty_url, new_url):
    """Return the URL of a database of this test; without tables, if the test takes what is ``empty``."""
    made = empty_url() if "empty" in request.fixturenames else new_url()
    server = None if made.startswith("sqlite:") else request.getfixturevalue("postgres_server")
    yield made
    if server is not None:
        server.drop(made)


@pytest.fixture
def empty(url):
    """A catalog whose database has no tables yet."""
    catalog = SqlCatalog(url)
    yield catalog
    catalog.database.engine.dispose()


@pytest.fixture
def bare(url):
    """A catalog that holds nothing."""
    catalog = SqlCatalog(url)
    yield catalog
    catalog.database.engine.dispose()


@pytest.fixture
def catalog(bare):
    """A catalog with one group."""
    restaurant = Entity("restaurant", keys={"uuid": "string"})
    bare.definitions.apply(
        [restaurant, FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])]
    )
    return bare
