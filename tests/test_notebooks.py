"""What a notebook shows of results: the text for people."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from palette.catalog.graph import Lineage, Node
from palette.catalog.planned import Change, Changes
from palette.feeds.summary import Erased, Materialized

RESULTS = [
    Changes((Change("added", "entity", "plane"),)),
    Lineage(Node("group", "restaurant:menu")),
    Materialized("restaurant:menu"),
    Erased("restaurant:menu", 2),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_results_are_shown_as_for_people(result):
    shown = []
    # As IPython calls it: by place.
    result._repr_pretty_(SimpleNamespace(text=shown.append), False)
    assert shown == [str(result)]
