"""What a notebook shows of results: the text for people."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pandas as pd
import pytest

from palette import BatchSource, Entity, Feature, FeatureGroup, FeatureStore
from palette.catalog import ModelRecord
from palette.catalog.definitions.changes import Change, Changes
from palette.catalog.features.graph import Lineage, Node
from palette.errors import DataError, DefinitionError, FeatureNotFoundError
from palette.feeds.reports import Erased, Materialized

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


def test_what_is_searched_for_is_a_table_and_still_a_list(tmp_path):
    store = FeatureStore(tmp_path)
    assert repr(store.search("dishes")) == repr(store.models()) == "[]"
    dishes = Feature("dishes", "bigint", description="<b>plates</b>\x1b[31m\non the card, " + "x" * 100)
    store.apply(
        Entity("restaurant", keys={"id": "string"}),
        FeatureGroup("menu", "restaurant", [dishes, Feature("price", "double", description="平均")]),
    )
    store.catalog.features.curate("restaurant:menu:price")
    found = store.search(entity="restaurant")
    assert [one.dtype for one in found] == ["double", "bigint"]
    assert isinstance(found, list)
    assert (len(found[:1]), type(found[:1])) == (1, type(found))
    assert pickle.loads(pickle.dumps(found)) == found
    head, first, second = repr(found).splitlines()
    assert head.split() == ["feature", "type", "models", "stars", "description"]
    assert first == f"restaurant:menu:price:id   double{' ' * 17}[curated] 平均"
    assert second.endswith("...")
    assert "\x1b" not in second
    html = found._repr_html_()
    assert "<td>restaurant:menu:dishes:id</td>" in html
    assert "<b>" not in html
    store.catalog.models.record_all(
        [ModelRecord("eta", {"restaurant:menu:price": None}, uri="/b") for _ in "12"], who="ada"
    )
    head, first, second = repr(store.models()).splitlines()
    assert head.split() == ["model", "version", "stage", "features", "by", "at", "bundle"]
    assert second.split()[:5] == ["eta", "2", "shadow", "1", "ada"]
    assert repr(store.models("eta")[1:]).splitlines()[1] == second
    assert "<td>ada</td>" in store.models(feature="restaurant:menu:price")._repr_html_()


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
        with pytest.raises(DefinitionError, match="'soon' is not a timestamp: write 2026-03-01"):
            ask("restaurant:menu", "soon")
        with pytest.raises(DefinitionError, match="expected a datetime, found int 1700000000"):
            ask("restaurant:menu", 1_700_000_000)


def test_an_error_shows_who_called_and_no_frames_of_palette(tmp_path):
    def asks():
        FeatureStore(tmp_path).feature("restaurant:menu:dishes:r_id")

    with pytest.raises(FeatureNotFoundError) as refused:
        asks()
    # As IPython prints it, instead of the whole trace and those of its causes.
    shown = "\n".join(refused.value._render_traceback_())
    assert 'FeatureStore(tmp_path).feature("restaurant:menu:dishes:r_id")' in shown
    assert shown.splitlines()[-1].startswith(
        "FeatureNotFoundError: 'restaurant:menu:dishes:r_id': no entity 'restaurant'"
    )
    assert "palette/" not in shown.replace("tests/", "")
    assert refused.value.__cause__ is None
