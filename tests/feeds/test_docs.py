"""What docs/feeds.md declares in Python and in YAML is taken."""

from __future__ import annotations

import re
from pathlib import Path

from palette.definitions import load_definitions

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
