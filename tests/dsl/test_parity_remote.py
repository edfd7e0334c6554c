"""Parity on Spark Connect, with workers that cannot import this project.

A process is either classic or Connect, so that this runs in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.connect_server import connecting

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SCRIPT = """
import sys

sys.path.insert(0, sys.argv[1])  # in this process alone: the workers have what the environment says

import palette
from dsl.registry import REGISTRY
from dsl.testing import cases, differences, examples
from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote


spark = palette.spark_session(remote="local[2]", **{"spark.sql.shuffle.partitions": 1})
assert is_remote()


@F.udf("boolean")
def importable(name):
    import importlib

    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


found = spark.range(1).select(importable(F.lit("dsl")), importable(F.lit("palette"))).first()
assert tuple(found) == (False, False), f"workers can import the project: {found}"
tried = [
    case
    for function in REGISTRY
    for case in [*(case for case, _ in examples(function)), *cases(function, random_rows=10, limit=60)]
]
failures = differences(tried, spark)
assert not failures, failures[:10]
print(f"{len(tried)} calls agree")
"""


def test_functions_agree_on_connect(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    for package in ("dsl", "palette"):
        (tmp_path / "hidden" / package).mkdir(parents=True)
        (tmp_path / "hidden" / package / "__init__.py").write_text("raise ImportError('not on workers')")
    environment = connecting(PYTHONPATH=str(tmp_path / "hidden"))
    command = [sys.executable, str(script), str(root)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "calls agree" in done.stdout
