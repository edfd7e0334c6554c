"""``palette materialize``: what its options reach, groups that fail between others, and exit codes."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette.cli.app import app
from palette.definitions import BatchSource, Entity, Feature, FeatureGroup
from palette.store import FeatureStore

pytestmark = pytest.mark.spark
SQL = """
SELECT * FROM VALUES ('a', TIMESTAMP '2026-06-01 01:00', 1D), ('a', TIMESTAMP '2026-06-02 01:00', 2D),
                     ('b', TIMESTAMP '2026-06-02 02:00', 3D) AS rows(id, ts, x)
"""


@pytest.fixture
def run(spark, tmp_path):
    (tmp_path / "palette.yaml").write_text(f"path: store\nonline: lmdb:{tmp_path}/online\n")
    x = [Feature("x", "double")]
    FeatureStore.open(tmp_path).apply(
        Entity("shop", keys={"id": "string"}),
        FeatureGroup("hourly", entity="shop", timestamp="ts", source=BatchSource(sql=SQL), features=x),
        FeatureGroup(
            "broken", entity="shop", source=BatchSource(sql="SELECT nope FROM VALUES (1) AS t(y)"), features=x
        ),
        FeatureGroup("static", entity="shop", source=BatchSource(sql="SELECT 'a' AS id, 1D AS x"), features=x),
    )

    def run(*arguments):
        return CliRunner().invoke(app, ["materialize", *arguments, "--config", str(tmp_path)])

    return run


def test_options_reach_the_run(run):
    (told,) = json.loads(run("shop:hourly", "--to", "2026-06-03", "--dry-run", "--json").stdout)
    assert (told["dry_run"], len(told["intervals"]), told["version"]) == (True, 1, None)
    range_of_time = ("--from", "2026-06-01", "--to", "2026-06-03", "--chunk", "1d")
    (told,) = json.loads(run("shop:hourly", *range_of_time, "--json").stdout)
    assert (len(told["intervals"]), told["rows_computed"], told["rows_dispersed"]) == (2, 3, 2)
    (told,) = json.loads(run("shop:hourly", "--to", "2026-06-03", "--json").stdout)
    assert (len(told["intervals"]), told["rows_written"], told["since"]) == (1, 0, told["version"])
    (told,) = json.loads(run("shop:hourly", "--to", "2026-06-03", "--full-refresh", "--json").stdout)
    assert told["since"] is None


def test_a_group_that_fails_does_not_keep_others_from_being_done(run):
    done = run("shop:hourly", "shop:broken", "shop:static")
    assert done.exit_code == 2
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == ["shop:hourly", "shop:static"]
    assert done.stderr.startswith("palette materialize: shop:broken: its query cannot be run: ")
    assert done.stderr.count("\n") == 1
    done = run("shop:broken", "shop:hourly", "--json")
    assert done.exit_code == 2
    broken, hourly = json.loads(done.stdout)
    assert (broken["group"], hourly["group"], "error" in hourly) == ("shop:broken", "shop:hourly", False)
    assert broken["error"].startswith("shop:broken: its query cannot be run: ")


def test_what_may_be_tried_again_ends_with_1(run, tmp_path):
    with FeatureStore.open(tmp_path).catalog.feeds.lock("shop:static"):
        done = run("shop:static", "shop:hourly")
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
        assert "shop:static" in done.stderr
        assert run("shop:static", "shop:broken").exit_code == 2
    (tmp_path / "palette.yaml").write_text("path: store\nonline: redis://127.0.0.1:1/0\n")
    assert run("shop:hourly").exit_code == 1
    (tmp_path / "palette.yaml").write_text("path: store\ncatalog: postgresql+psycopg://nobody@127.0.0.1:1/none\n")
    assert run("shop:hourly").exit_code == 1


def test_without_an_online_store_it_says_so(run, tmp_path):
    (tmp_path / "palette.yaml").write_text("path: store\n")
    done = run("shop:static")
    assert (done.exit_code, done.stderr) == (0, "no online store is configured: nothing went online\n")
    assert "nothing put online (version 0)" in done.stdout
