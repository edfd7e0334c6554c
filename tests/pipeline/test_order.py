"""Where look-ups are placed, and what is refused."""

from __future__ import annotations

import itertools

import pytest

from dsl.refs import parse_ref
from palette.errors import PlanError
from palette.pipeline.planning.lookup_placement import StageNeeds, place_lookups


def ref(feature, *keys):
    return parse_ref(f"e:g:{feature}:{','.join(keys)}")


def names(plan):
    return {position: sorted(found.feature for found in refs) for position, refs in plan.items()}


def test_look_ups_share_the_first_position_where_their_keys_exist():
    stages = [
        StageNeeds("dsl1", (ref("lat", "r_id"), ref("long", "r_id")), outputs=("region",)),
        StageNeeds("dsl2", (ref("prep", "r_id"), ref("busy", "region"))),
    ]
    assert names(place_lookups(stages)) == {0: ["lat", "long", "prep"], 1: ["busy"]}


def test_a_look_up_moves_to_where_its_keys_first_exist():
    stages = [StageNeeds("indexer", outputs=("i",)), StageNeeds("x"), StageNeeds("dsl", (ref("a", "r"), ref("b", "i")))]
    assert names(place_lookups(stages)) == {1: ["a", "b"]}


def test_without_look_ups_nothing_is_placed():
    assert place_lookups([StageNeeds("dsl")]) == {}


def test_composite_key_waits_for_its_last_part():
    stages = [
        StageNeeds("s1", outputs=("a",)),
        StageNeeds("s2", outputs=("b",)),
        StageNeeds("s3", (ref("x", "a", "b"), ref("y", "c"))),
    ]
    assert names(place_lookups(stages)) == {2: ["x", "y"]}


def test_no_smaller_number_of_look_ups_serves_all():
    """Against every possible choice of positions, on all small pipelines of one shape."""
    for spans in itertools.product([(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], repeat=3):
        stages = [StageNeeds(f"s{n}", outputs=(f"k{n + 1}",)) for n in range(4)]
        for number, (first, last) in enumerate(spans):
            feature = ref(f"f{number}", f"k{first}")
            stages[last] = StageNeeds(stages[last].label, (*stages[last].features, feature), (), stages[last].outputs)
        plan = place_lookups(stages)
        placed = {int(found.feature[1:]): position for position, refs in plan.items() for found in refs}
        assert all(first <= placed[number] <= last for number, (first, last) in enumerate(spans))
        fewest = next(
            size
            for size in range(1, 4)
            if any(
                all(any(first <= at <= last for at in chosen) for first, last in spans)
                for chosen in itertools.combinations(range(4), size)
            )
        )
        assert len(plan) == fewest


def test_a_stage_that_replaces_a_key_leaves_the_old_one_to_those_before_it():
    old, new = ref("v", "k"), ref("w", "k")
    replaces = StageNeeds("b", columns=("k",), outputs=("k",))
    assert names(place_lookups([StageNeeds("a", (old,)), replaces])) == {0: ["v"]}
    assert names(place_lookups([StageNeeds("a", (old,)), replaces, StageNeeds("c", (new,))])) == {0: ["v"], 2: ["w"]}
    itself = StageNeeds("b", (old,), columns=("k",), outputs=("k",))
    assert names(place_lookups([itself, StageNeeds("c", (new,))])) == {0: ["v"], 1: ["w"]}


REPLACES = StageNeeds("b", columns=("k",), outputs=("k",))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        pytest.param(
            [
                StageNeeds("d", outputs=("k",)),
                StageNeeds("a", (ref("v", "k"),)),
                REPLACES,
                StageNeeds("c", (ref("v", "k"), ref("w", "k"))),
            ],
            "a and c both need 'e:g:v:k', but b replaces its join key 'k' in between",
            id="replaced-derived",
        ),
        pytest.param(
            [StageNeeds("a", (ref("v", "k"),)), REPLACES, StageNeeds("c", (ref("v", "k"),))],
            "a and c both need 'e:g:v:k', but b replaces its join key 'k' in between",
            id="replaced-basis",
        ),
        pytest.param([StageNeeds("s1", (ref("a", "k"),), outputs=("k",))], "cycle: s1 needs 'e:g:a:k'", id="itself"),
        pytest.param(
            [StageNeeds("s1", (ref("a", "k"),), outputs=("x",)), StageNeeds("s2", columns=("x",), outputs=("k",))],
            "cycle: s1 needs 'e:g:a:k'.*comes from s2",
            id="each-other",
        ),
        pytest.param(
            [StageNeeds("s1", (ref("a", "k"),)), StageNeeds("s2", outputs=("k",))], "put s2 before it", id="too-late"
        ),
    ],
)
def test_impossible_order_is_refused(stages, message):
    with pytest.raises(PlanError, match=message):
        place_lookups(stages)
