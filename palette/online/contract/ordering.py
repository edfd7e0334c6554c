"""Order of the rows of a key, and their statuses."""

from __future__ import annotations

import datetime as dt
import itertools
import math

from palette.errors import DataError
from palette.online.contract.fixtures import DATED, GROUPS, HOUR, STATIC, T0, TIMED, MakeStore, expect, read_one, row

__all__ = ["CHECKS"]


def newest_event_wins(make_store: MakeStore) -> None:
    """Whatever the order of writing, in one batch or many."""
    for number, order in enumerate(itertools.permutations([row(1, x=1.0), row(3, x=3.0), row(2, 9, x=2.0)])):
        store = make_store(GROUPS.__getitem__)
        for batch in [order] if number % 2 else [[one_row] for one_row in order]:
            store.write(TIMED, batch)
        expect(read_one(store, TIMED)["x"], 3.0, f"x after writes at {[str(each['ts']) for each in order]}")


def older_rows_count_for_nothing(make_store: MakeStore) -> None:
    """A write says how many rows are now the newest of their key; repeats and late rows are not."""
    store = make_store(GROUPS.__getitem__)
    expect(store.write(TIMED, [row(2, x=1.0), row(1, x=2.0, key="j")]), 2, "written: two new keys")
    expect(store.write(TIMED, [row(2, x=1.0), row(3, x=2.0, key="j")]), 1, "written: one repeat and one newer row")
    expect(store.write(TIMED, [row(1, 9, x=9.0), row(2, None, x=9.0)]), 0, "written: late rows")
    expect(read_one(store, TIMED)["x"], 1.0, "x after late writes")
    expect(store.write(TIMED, []), 0, "written: nothing")


def ties_go_to_created_then_values(make_store: MakeStore) -> None:
    """Null created comes last; then the greater values in the order of the features, nulls first, NaN last."""
    rising = [
        row(1, None, x=9.0, s="z"),
        row(1, -6e5, x=9.0),  # before 1970
        row(1, 1, x=None, n=9, v=[9.0]),
        row(1, 1, x=-math.inf),
        row(1, 1, x=2.0, n=None, s="z"),
        row(1, 1, x=2.0, n=-5),
        row(1, 1, x=2.0, n=7, s=None, v=[1.0]),
        row(1, 1, x=2.0, n=7, s=""),
        row(1, 1, x=2.0, n=7, s="b\uffff"),
        row(1, 1, x=2.0, n=7, s="b\U0001f600"),
        row(1, 1, x=2.0, n=7, s="c", v=[]),
        row(1, 1, x=2.0, n=7, s="c", v=[None]),
        row(1, 1, x=2.0, n=7, s="c", v=[1.0, None]),
        row(1, 1, x=2.0, n=7, s="c", v=[1.0, 2.0]),
        row(1, 1, x=2.0, n=7, s="c", v=[math.nan]),
        row(1, 1, x=math.inf),
        row(1, 1, x=math.nan),
        row(1, 1, x=math.nan, n=1),
        row(1, 2, x=None),
    ]
    store = make_store(GROUPS.__getitem__)
    for lower, higher in itertools.pairwise(rising):
        for names, first, second in (("up", lower, higher), ("down", higher, lower)):
            key = f"{names}{rising.index(lower)}"
            for each in (first, second, first):
                store.write(TIMED, [{**each, "id": key}])
            actual = {name: read_one(store, TIMED, key)[name] for name in ("made", "x", "n", "s", "v")}
            expect(actual, {name: higher.get(name) for name in actual}, f"the winner of {lower} and {higher}")
    store.write(TIMED, [row(1, 1, x=0.0)])
    store.write(TIMED, [row(1, 1, x=-0.0)])
    expect(read_one(store, TIMED)["x"], 0.0, "x: equal values do not replace each other")


def resolved_rows_win_ties(make_store: MakeStore) -> None:
    """Rows that the rule has picked win over rows of the same times, never over newer ones."""
    store = make_store(GROUPS.__getitem__)
    store.write(TIMED, [row(1, 1, x=10.0)])
    layout = store.layout(TIMED.full_name)
    expect(store.put(TIMED.full_name, [layout.pack(row(1, 1, x=7.0), 0)]), 0, "written: a lower tie")
    expect(
        store.put(TIMED.full_name, [layout.pack(row(1, 1, x=7.0), 0)], resolved=True),
        1,
        "written: a resolved tie",
    )
    expect(
        store.put(TIMED.full_name, [layout.pack(row(0, 9, x=8.0), 0)], resolved=True),
        0,
        "written: an old resolved row",
    )
    expect(store.put_packed(layout, [layout.pack(row(2, 9, x=9.0), 0)], resolved=True), 1, "rows written by the layout")
    expect(read_one(store, TIMED)["x"], 9.0, "x")


def static_rows_come_as_they_come(make_store: MakeStore) -> None:
    """Without times the last write wins; with a created time the latest does; neither ever expires."""
    store = make_store(GROUPS.__getitem__)
    for seats in (5, 3):
        expect(store.write(STATIC, [{"id": "k", "seats": seats}]), 1, "written: a static row")
    expect(read_one(store, STATIC, now=dt.datetime(2999, 1, 1)), {"seats": 3, "seats__status": "present"}, "static row")
    for made, seats in ((2, 5), (1, 9), (None, 9), (2, 6), (2, 4)):
        store.write(DATED, [{"id": "k", "made": made and T0 + made * HOUR, "seats": seats}])
    expect(read_one(store, DATED)["seats"], 6, "seats of a static row with created time")


def statuses_follow_ttl_at_now(make_store: MakeStore) -> None:
    """Present, null, expired, missing; the bound of the ttl belongs to it."""
    store = make_store(GROUPS.__getitem__)
    store.write(TIMED, [row(0, x=1.0)])
    for hours, status in ((0, "present"), (2, "present"), (2 + 1e-6, "expired"), (9e4, "expired")):
        actual = read_one(store, TIMED, now=T0 + hours * HOUR)
        expect(actual["x__status"], status, f"status of x after {hours} hours")
        expect(actual["n__status"], "null" if status == "present" else status, f"status of n after {hours} hours")
        expect(actual["x"], 1.0 if status == "present" else None, f"x after {hours} hours")
        expect(actual["ts"], T0 if status == "present" else None, f"ts after {hours} hours")
    for key in ("absent", None):
        expect(set(read_one(store, TIMED, key).values()), {None, "missing"}, f"all that is known of key {key!r}")


def created_is_stamped(make_store: MakeStore) -> None:
    """An absent created time is the time of writing; an explicit null stays."""
    store = make_store(GROUPS.__getitem__)
    store.write(TIMED, [{"id": "a", "ts": T0}, {"id": "b", "ts": T0, "made": None}])
    made = read_one(store, TIMED, "a")["made"]
    if abs(made - dt.datetime.now(dt.UTC).replace(tzinfo=None)) > dt.timedelta(minutes=1):
        raise AssertionError(f"expected created to be the time of writing, found {made}")
    expect(read_one(store, TIMED, "b")["made"], None, "an explicit null created")


def bad_rows_are_refused_whole(make_store: MakeStore) -> None:
    """A batch with a bad row writes nothing."""
    store = make_store(GROUPS.__getitem__)
    for bad in ({"id": None, "ts": T0}, {"id": "k", "ts": None}, {"id": "k", "ts": T0, "x": "1"}, row(y=1), {"id": 7}):
        try:
            store.write(TIMED, [row(x=1.0), bad])
        except DataError:
            expect(read_one(store, TIMED)["x__status"], "missing", f"x after {bad}")
        else:
            raise AssertionError(f"{bad} was accepted")


def rows_far_ahead_are_refused(make_store: MakeStore) -> None:
    """A time further ahead of the clock than clocks differ raises, unless the writer allows more."""
    store = make_store(GROUPS.__getitem__)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    for group, column in ((TIMED, "ts"), (DATED, "made")):
        good, bad = ({"id": key, column: now + n * HOUR} for key, n in (("k", 1 / 60), ("j", 1)))
        try:
            store.write(group, [good, bad])
        except DataError as error:
            expect(
                column in str(error) and "ahead of the clock" in str(error), True, f"whether {error} says what it is"
            )
        else:
            raise AssertionError(f"a row of {group.name} that is an hour ahead was accepted")
        feature = group.features[0].name
        expect(read_one(store, group, now=now + HOUR)[f"{feature}__status"], "missing", "status after a rejected write")
        expect(store.write(group, [good]), 1, "written: a row that is a minute ahead")
        expect(store.write(group, [bad], ahead=dt.timedelta(hours=2)), 1, "written: a row with a larger ahead")
        expect(store.write(group, [bad | {column: dt.datetime(2099, 1, 1)}], ahead=None), 1, "written: any time")


CHECKS = (
    newest_event_wins,
    older_rows_count_for_nothing,
    ties_go_to_created_then_values,
    resolved_rows_win_ties,
    static_rows_come_as_they_come,
    statuses_follow_ttl_at_now,
    created_is_stamped,
    bad_rows_are_refused_whole,
    rows_far_ahead_are_refused,
)
