"""What stores import: nothing before it is needed, and a remedy where it is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from palette.errors import DefinitionError
from palette.online import LmdbStore, RedisStore

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("redis", "hiredis", "lmdb", "asyncio", "pyspark", "pandas", "numpy", "pyarrow")


def test_reading_from_memory_imports_no_client():
    code = f"import sys, palette.online; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["redis", "hiredis"])
def test_redis_is_not_installed(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(DefinitionError, match=r"pip install 'palette-features\[redis\]'"):
        RedisStore("redis://localhost", {}.__getitem__)


def test_lmdb_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(DefinitionError, match=r"pip install 'palette-features\[lmdb\]'"):
        LmdbStore(tmp_path, {}.__getitem__)
