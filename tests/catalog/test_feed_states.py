"""The migration of watermarks into states of feeds, on both databases."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext

from palette.catalog.database import VERSION_TABLE
from palette.catalog.feeds.state import FeedState
from palette.catalog.migrations.upgrade import scripts

DAY = dt.timedelta(days=1)
JUNE = dt.datetime(2026, 6, 1, 12, 30, 0, 7)
# As the previous form held them: (group, name, value, when it was written).
WATERMARKS = [
    ("shop:hourly", "offline", JUNE, JUNE + DAY),
    ("shop:hourly", "computed until", JUNE + DAY, JUNE + DAY),
    ("shop:hourly", "events since", JUNE - 9 * DAY, JUNE + DAY),
    ("shop:hourly", "backfill:0123456789abcdef", JUNE - DAY, JUNE + DAY),
    ("shop:hourly", "backfill:fedcba9876543210", JUNE - 2 * DAY, JUNE + DAY),
    ("shop:hourly", "table:newer", JUNE, JUNE + DAY),
    ("shop:hourly", "table:older", JUNE, JUNE - DAY),
    ("shop:daily", "offline", JUNE, JUNE + DAY),
    ("shop:broken", "backfill:0123456789abcdef", JUNE, JUNE + DAY),
]


def make_previous_form(connection):
    """Make the tables of a catalog as they were before the states of feeds, by the migrations of that time."""
    with (
        scripts() as known,
        EnvironmentContext(
            Config(), known, fn=lambda revision, _: known._upgrade_revs("0003", revision), destination_rev="0003"
        ) as environment,
    ):
        environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
        with environment.begin_transaction():
            environment.run_migrations()


def test_watermarks_of_a_previous_catalog_are_carried_over(empty):
    if empty.database.path is not None:
        empty.database.path.parent.mkdir(parents=True)
    with empty.database.engine.begin() as connection:
        make_previous_form(connection)
        watermarks = sa.Table("watermarks", sa.MetaData(), autoload_with=connection)
        columns = ("group_name", "name", "value", "updated")
        connection.execute(watermarks.insert(), [dict(zip(columns, row, strict=True)) for row in WATERMARKS])
    backfills = {"0123456789abcdef": JUNE - DAY, "fedcba9876543210": JUNE - 2 * DAY}
    assert empty.feeds.state("shop:hourly") == FeedState(JUNE, JUNE + DAY, JUNE - 9 * DAY, "newer", backfills)
    assert empty.feeds.state("shop:daily") == FeedState(JUNE)
    assert empty.feeds.state("shop:broken") == FeedState(backfills={"0123456789abcdef": JUNE})
    assert empty.feeds.state("shop:never") == FeedState()
    assert "watermarks" not in sa.inspect(empty.database.engine).get_table_names()


def test_a_previous_catalog_without_watermarks_is_upgraded(empty):
    if empty.database.path is not None:
        empty.database.path.parent.mkdir(parents=True)
    with empty.database.engine.begin() as connection:
        make_previous_form(connection)
    assert empty.feeds.state("shop:hourly") == FeedState()
