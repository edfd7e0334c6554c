"""Definitions that are applied while processes serve: what an open store answers afterwards."""

from __future__ import annotations

import pytest

from palette.definitions import Feature, FeatureGroup
from palette.errors import FeatureNotFoundError
from palette.serving import LocalPipeline
from palette.store import FeatureStore
from tests.online.test_redefined import BEFORE, NAME, NOW, SHOP, reading


@pytest.mark.parametrize("online", ["memory", "lmdb:online"])
def test_a_group_is_pruned_that_was_read_online(tmp_path, online):
    (tmp_path / "palette.yaml").write_text(f"path: store\nonline: {online}\n")
    other = FeatureGroup("other", "shop", [Feature("n", "bigint")])
    store = FeatureStore.open(tmp_path)
    store.apply(SHOP, [BEFORE, other])
    store.online.write(NAME, [{"id": "a", "ts": NOW, "x": 8, "y": 3.5}])
    pipeline = LocalPipeline(reading(BEFORE), store)
    assert pipeline.score_instance({"k": "a"}, NOW) == {"fx": 8, "fy": 3.5}
    store.apply(SHOP, other, prune=True, allow_breaking=True)
    store.apply(SHOP, other)
    for ask in (lambda: store.online.read({NAME: ["a"]}), lambda: pipeline.score_instance({"k": "a"}, NOW)):
        with pytest.raises(FeatureNotFoundError, match="shop:sales"):
            ask()
    store.online.write(other, [{"id": "a", "n": 1}])
    assert store.online.read({"shop:other": ["a"]}) == {"shop:other": [{"n": 1}]}
    store.close()
