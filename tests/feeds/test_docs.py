"""What docs/feeds.md declares in Python and in YAML is taken."""

from __future__ import annotations

import re
from pathlib import Path

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
    assert group.source.features() == group.features


def test_configuration(tmp_path):
    (tmp_path / "palette.yaml").write_text(blocks("yaml")[1])
    assert read_config(tmp_path / "palette.yaml").modules == ("my_features",)


def test_batch_source_in_python(tmp_path, monkeypatch):
    """What it declares is applied; the run itself wants Spark and the files."""
    from palette import FeatureStore

    (tmp_path / "palette.yaml").write_text("path: store\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FeatureStore, "materialize", lambda self, name: self.group(name).source.lookback)
    (text,) = [block for block in blocks("python") if "lookback" in block]
    names = {}
    exec(text, names)
    assert names["told"].days == 1
