"""docs/functions.md is current."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from dsl import REGISTRY

SCRIPT = Path(__file__).parents[2] / "docs" / "functions.py"


def test_page_is_current():
    written = SCRIPT.with_suffix(".md").read_text(encoding="utf-8")
    assert written == runpy.run_path(str(SCRIPT))["page"](), "run `make docs`"


@pytest.mark.parametrize("entry", [*REGISTRY, *REGISTRY.statistics, *REGISTRY.macros], ids=lambda entry: entry.name)
def test_docstring_says_when_the_value_is_null(entry):
    assert entry.doc[0].isupper() or entry.doc.startswith(("`", "-1"))
    assert "Null " in entry.doc or "Never null" in entry.doc
