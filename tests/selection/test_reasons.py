"""Why a feature is left out, rule by rule, at their limits."""

from __future__ import annotations

import numpy as np
import pytest

from palette.selection.leaks import Timeliness
from palette.selection.profile import FeatureProfile
from palette.selection.reasons import exclude
from palette.selection.request import Variable
from palette.selection.settings import SelectionSettings
from palette.statistics.bins import Bins

# Codes null, rest, "a", "b" of a text; they tell half of a label of two classes.
NEWS = np.array([[0, 0, 300, 100], [0, 0, 100, 300]])
TEXTS = Bins(["a", "b"], (None, None, "a", "b"), 2)
NUMBERS = Bins(np.array([0.0, 1.0]), (None, None, 0.0, 1.0), 2)


def facts(dtype="string", bins=TEXTS, holders=800.0, inflation=1.0, **more):
    return FeatureProfile(Variable("e:g:x:k", "x", dtype), bins, holders, inflation, **more)


@pytest.mark.parametrize(
    ("found", "table", "reason", "why"),
    [
        pytest.param(facts(), NEWS, None, None, id="ranked"),
        pytest.param(facts(), NEWS[::-1] * 0 + [[780, 0, 10, 10]], "missing", "97.5% of the rows", id="missing"),
        pytest.param(facts(), [[1, 0, 499, 0], [3, 0, 497, 0]], "constant", "the value 'a'", id="constant"),
        pytest.param(
            facts("boolean", NUMBERS), [[0, 0, 499, 1], [0, 0, 500, 0]], "constant",
            "99.9% of the rows have the value false", id="constant boolean",
        ),
        pytest.param(facts(), [[0, 499, 1, 0], [0, 500, 0, 0]], "irrelevant", "chance", id="a rest is no one value"),
        pytest.param(
            facts(bins=Bins(["a"], (None, None, "a", "b"), 760), holders=800.0), NEWS, "identifier",
            "760 distinct values in 800 rows of its group", id="identifier",
        ),
        pytest.param(
            facts("double", Bins(NUMBERS.cuts, NUMBERS.values, 800)), NEWS, None, None, id="a measure may be unique"
        ),
        pytest.param(facts(bins=Bins(["a"], TEXTS.values, 40), holders=40.0), NEWS, None, None, id="few rows"),
        pytest.param(facts(fine=0.96), NEWS, "leak", "explains 96% of the label", id="fine leak"),
        pytest.param(facts(), [[0, 0, 400, 0], [0, 0, 0, 400]], "leak", "explains 100% of the label", id="leak"),
        pytest.param(facts(), [[0, 0, 203, 197], [0, 0, 201, 199]], "irrelevant", "than by chance", id="noise"),
        pytest.param(facts(inflation=100.0), NEWS, "irrelevant", "than by chance", id="too few witnesses"),
        pytest.param(
            facts(timeliness=Timeliness(0.9, 0.4, 0.01, True)), NEWS, "late", "explains 40% of the label", id="late"
        ),
        pytest.param(
            facts(timeliness=Timeliness(0.0, 0.0, 0.0, True)), NEWS, "late", "written after the times", id="never"
        ),
        pytest.param(facts(timeliness=Timeliness(0.9, 0.4, 0.3, False)), NEWS, None, None, id="in time"),
    ],
)  # fmt: skip
def test_first_rule_that_is_broken(found, table, reason, why):
    told = exclude(found, np.asarray(table), SelectionSettings(), 10)
    assert (told and told.reason) == reason
    assert told is None or why in told.why


def test_long_values_are_told_by_their_beginnings():
    bins = Bins(["x" * 90], (None, None, "x" * 90, None), 1)
    told = exclude(facts(bins=bins), np.array([[0, 0, 500, 0], [0, 0, 500, 0]]), SelectionSettings(), 1)
    assert told.why == f"100% of the rows have the value '{'x' * 40}...'"
