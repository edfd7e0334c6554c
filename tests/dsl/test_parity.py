"""Row and column bodies of every function agree: on its examples, on products of edge values, on random ones.

All functions of a family share a few Spark jobs; a failure names the calls that differ.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from dsl.registry import REGISTRY, Function
from dsl.testing import Case, cases, differences, examples, on_row, same
from tests.draws import scaled

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FAMILIES = sorted({function.family for function in REGISTRY})
ENGINES = pytest.mark.parametrize("interpreted", [False, True], ids=["compiled", "interpreted"])


def functions_of(family: str) -> list[Function]:
    return [function for function in REGISTRY if function.family == family]


def report(failures: list[str]) -> str:
    return f"{len(failures)} differences, such as\n" + "\n".join(failures[:10])


@pytest.mark.parametrize("function", list(REGISTRY), ids=attrgetter("name"))
def test_row_gives_what_the_examples_say(function):
    for case, expected in examples(function):
        (value,) = on_row([case])
        assert same(value, expected, function.ulps), f"{case}: expected {expected!r}, row {value!r}"


@pytest.fixture(scope="session")
def tried() -> dict[str, list[Case]]:
    """The calls of each family, the same for both engines."""
    return {
        family: [
            case
            for function in functions_of(family)
            for case in [
                *(case for case, _ in examples(function)),
                *cases(function, random_rows=scaled(60, least=60), limit=600),
            ]
        ]
        for family in FAMILIES
    }


@pytest.mark.random  # drawn where they are tried
@ENGINES
@pytest.mark.parametrize("family", FAMILIES)
def test_column_equals_row(family, interpreted, tried, spark: SparkSession):
    failures = differences(tried[family], spark, interpreted=interpreted)
    assert not failures, report(failures)
