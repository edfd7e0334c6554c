"""Functions as sources: kept by the name under which another process finds them."""

from __future__ import annotations

import functools
import json

import pytest

from palette.definitions import BatchSource
from palette.errors import DefinitionError


def kitchen(spark, start, end):
    """Stand at the top level of this module."""


def of_script():
    """Seem to be of the script that runs."""


of_script.__module__ = "__main__"


class Kitchens:
    """Has functions, too."""

    def open(self):
        """Belong to an object."""


def test_function_is_kept_by_its_name():
    assert BatchSource(function=kitchen).function == f"{__name__}:kitchen"
    assert BatchSource(function=json.dumps) == BatchSource(function="json:dumps")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(lambda: 1, "'<lambda>' of .* is a lambda", id="lambda"),
        pytest.param(functools.cache(lambda: 1), "is a lambda", id="wrapped-lambda"),
        pytest.param(functools.partial(kitchen, 1), "is not a function of a module", id="partial"),
        pytest.param(Kitchens.open, "'Kitchens.open' of", id="method"),
        pytest.param(
            of_script, "'of_script' is defined in this script, which another process cannot import", id="script"
        ),
        pytest.param("kitchen", "write module:function, or pass the function itself", id="no-module"),
        pytest.param("a:b.c", "write module:function", id="dotted"),
        pytest.param(3, "expected a string", id="number"),
    ],
)
def test_other_functions_are_refused_with_the_remedy(function, message):
    with pytest.raises(DefinitionError, match=f"BatchSource: function: .*{message}"):
        BatchSource(function=function)


def test_nested_function_is_refused():
    def kitchen_of_today():
        """Be found by nobody else."""

    with pytest.raises(DefinitionError, match="def at the top level of a module"):
        BatchSource(function=kitchen_of_today)
