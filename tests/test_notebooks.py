"""What a notebook shows of results: the text for people."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from palette import BatchSource, Entity, Feature, FeatureGroup, FeatureStore
from palette.catalog.graph import Lineage, Node
from palette.catalog.planned import Change, Changes
from palette.errors import DataError, DefinitionError
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


def test_frames_and_times_of_other_kinds_are_told(tmp_path):
    store = FeatureStore(tmp_path)
    source = BatchSource(sql="SELECT * FROM menus")
    store.apply(
        Entity("restaurant", keys={"id": "string"}),
        FeatureGroup("menu", "restaurant", [Feature("dishes", "bigint")], timestamp="at", source=source),
    )
    frame = pd.DataFrame({"id": ["a"]})
    asked = {"dishes": "restaurant:menu:dishes:id"}
    for ask in (store.training_set, store.explain):
        with pytest.raises(DataError, match=r"is a pandas DataFrame, .* spark.createDataFrame\(basis\)"):
            ask(frame, asked)
    with pytest.raises(DataError, match=r"rows is a pandas DataFrame"):
        store.write("restaurant:menu", frame)
    for ask in (store.materialize, lambda name, at: store.snapshot(at, [name])):
        with pytest.raises(DefinitionError, match="expected a datetime, found str '2026-03-03'"):
            ask("restaurant:menu", "2026-03-03")
