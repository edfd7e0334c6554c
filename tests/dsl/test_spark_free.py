"""Expressions, and rows scored by them, need neither Spark nor pandas nor Java."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCORE = """
import sys
import dsl
from dsl import compile_row, nFill, nVal, parse
assert compile_row({"y": nFill(nVal("basis:x"), -1) + parse("mean('basis:x')")}, None,
                   {"mean(nVal('basis:x'))": 1.0})({"x": 2}) == {"y": 3.0}
loaded = sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1].split()))
assert not loaded, loaded
"""
BLOCKED = """
import sys
sys.modules |= dict.fromkeys(("pyspark", "pandas", "pyarrow", "delta"))
import dsl
assert dsl.compile_row("regionId('basis:a', 'basis:b')")({"a": 52.5, "b": 13.4})
exec("from dsl import *")
assert "DSLEstimator" not in globals()
try:
    dsl.DSLEstimator
except ImportError as error:
    print("no estimator:", error)
"""


STARRED = """
import builtins
from dsl import *
assert not {"abs", "pow", "round"} & set(globals())
assert abs is builtins.abs and str(nFill(nVal("basis:x"), -1)) == "nFill(nVal('basis:x'), -1.0)"
assert str(if_(isNull("basis:x"), 0, parse("abs(nVal('basis:x'))"))).startswith("if(") and DSLEstimator
"""


def test_star_brings_functions_and_hides_no_builtin():
    subprocess.run([sys.executable, "-c", STARRED], check=True)


@pytest.mark.parametrize("modules", ["pyspark py4j", "pandas numpy pyarrow", "h3", "hypothesis pytest"])
def test_scoring_loads_no(modules):
    subprocess.run([sys.executable, "-c", SCORE, modules], check=True)


def test_everything_but_the_estimator_works_without_pyspark():
    done = subprocess.run([sys.executable, "-c", BLOCKED], check=True, capture_output=True, text=True)
    assert "no estimator" in done.stdout


def test_import_is_quick_and_parses_nothing():
    script = "import sys, dsl; assert 'lark' not in sys.modules; assert 'dsl.functions' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
