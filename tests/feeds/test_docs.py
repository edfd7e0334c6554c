"""What docs/feeds.md declares in Python and in YAML is taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from palette.definitions import load_definitions
from palette.definitions.config import read_config

TEXT = (Path(__file__).parents[2] / "docs" / "feeds.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_declaration_in_python():
    names = {}
    exec(blocks("python")[0], names)
    assert "order_value_p90_7d" in [feature.name for feature in names["group"].features]


def test_declaration_in_yaml():
    (group,) = load_definitions(blocks("yaml")[0])
    assert [repr(feature) for feature in group.source.features()] == [repr(feature) for feature in group.features]
    assert group.features[0].description


def test_configuration(tmp_path):
    (tmp_path / "palette.yaml").write_text(blocks("yaml")[1])
    assert read_config(tmp_path / "palette.yaml").feeds.modules == ("my_features",)


@pytest.mark.spark
def test_batch_source_in_python(spark, tmp_path, monkeypatch):
    (tmp_path / "palette.yaml").write_text("path: store\n")
    monkeypatch.chdir(tmp_path)
    log = spark.sql(
        "SELECT 'r1' AS restaurant_uuid, TIMESTAMP '2026-06-01 12:00' AS ts, explode(array(10, 15)) minutes"
    )
    log.write.parquet(f"{tmp_path}/log")
    (text,) = [block for block in blocks("python") if "lookback" in block]
    names = {}
    exec(text.replace("s3a://kitchens/log", f"{tmp_path}/log"), names)
    summary, store = names["summary"], names["store"]
    assert (summary.rows_computed, summary.rows_written, summary.rows_dispersed) == (1, 1, 1)
    (row,) = store.online.read({"restaurant:kitchen": ["r1"]})["restaurant:kitchen"]
    assert row["prep_time"] == 12.5
