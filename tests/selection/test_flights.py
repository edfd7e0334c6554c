"""Selection on two weeks of real flights."""

from __future__ import annotations

import pytest

from examples import flight_eta
from palette import FeatureStore

KEYS = {"plane": "tailnum", "airport": ["origin", "dest"], "route": "origin,dest"}
OWN = ("dep_delay", "distance", "carrier", "flight", "tailnum")


@pytest.mark.proof  # on rows that are made for it, test_select.py proves the same
def test_what_tells_the_delay_at_arrival(spark, tmp_path):
    store = FeatureStore(tmp_path / "store")
    flight_eta.declare(store)
    airports = flight_eta.read_airports(spark).cache()
    flights = flight_eta.read_flights(spark, airports).filter("scheduled < '2013-01-15'").coalesce(2).cache()
    for name, rows in flight_eta.histories(spark, flights, airports).items():
        store.write(name, rows)
    basis = flights.withColumn("landed_late", flights["arr_delay"] > 15)
    candidates = ["*", *(f"basis:{name}" for name in (*OWN, "arr_delay"))]
    found = store.select_features(basis, "arr_delay", candidates, timestamp="asked_at", join=KEYS)
    reasons = {one.feature: one.reason for one in found.left_out}
    assert found.features[0] == "basis:dep_delay"
    assert (found.label.task, found.label.bins) == ("regression", 10)
    assert found.label.nulls == basis.filter("arr_delay is null").count()
    ranked = {one.feature: one for one in found.ranked}
    assert 0.1 < ranked["basis:dep_delay"].share < 0.3, "it tells much of the delay, and not all"
    for name in ("airport:departures:late_1h:origin", "plane:arrivals:arr_delay:tailnum"):
        assert ranked[name].relevance > 0
    assert reasons["basis:arr_delay"] == "label"
    assert not {"late", "leak"} & set(reasons.values()), "what is reported five minutes later tells hardly less"
    # A label made by a threshold is told by what it was made of, and by nothing else.
    found = store.select_features(basis, "landed_late", candidates, timestamp="asked_at", join=KEYS)
    assert [one.feature for one in found.left_out if one.reason == "leak"] == ["basis:arr_delay"]
    assert found.features[0] == "basis:dep_delay"
    airports.unpersist()
    flights.unpersist()
