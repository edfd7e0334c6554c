"""The parity suite catches wrong bodies."""

from __future__ import annotations

import pytest

from dsl.testing import cases, differences
from tests.dsl.mutants import MUTANTS, planted


@pytest.mark.spark
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_edges_alone_catch_a_wrong_body(mutant, spark):
    with planted(mutant) as function:
        tried = cases(function, random_rows=0, limit=400)
        try:
            caught = bool(differences(tried, spark))
        except Exception:  # noqa: BLE001 - a body that raises on data is caught as well
            caught = True
    assert caught, f"nothing differs, although {mutant}"


def test_every_mutant_differs_from_the_right_body():
    for mutant in MUTANTS:
        with planted(mutant) as wrong:
            assert getattr(wrong, mutant.side) is mutant.body
