"""Imports point downwards: each room imports only from rooms below it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the top down; rooms on one line do not import each other.
LEVELS = [
    ("palette.__main__",),
    ("palette.cli", "palette.jobs"),
    ("palette.exits",),
    ("palette.service",),
    ("palette.pipeline",),
    ("palette.transformer",),
    ("palette.params",),
    ("palette.store",),
    ("palette.feeds",),
    ("palette.serving",),
    ("palette.offline", "palette.online", "palette.catalog"),
    ("palette.definitions",),
    ("palette.archive", "palette.directories", "palette.listing", "palette.paths", "palette.session"),
    ("palette.lazy", "palette.startup"),
    ("palette.errors", "palette.terminal", "palette._version"),
    ("dsl",),
]
LEVEL = {room: depth for depth, rooms in enumerate(LEVELS) for room in rooms}
SPARK_FREE = (
    *("palette.serving", "palette.service", "palette.cli", "palette.online", "palette.catalog"),
    *("palette.definitions", "palette.errors", "palette.paths", "dsl"),
)
WITH_SPARK = ("dsl.estimator", "dsl.fitting", "dsl.evaluation", "dsl.saving", "dsl.testing", "palette.serving.runtime",
    "palette.serving.testing")  # fmt: skip
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for folder in ("palette", "dsl")
    for file in (ROOT / folder).rglob("*.py")
)


def room(module):
    parts = module.split(".")
    return next((".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in LEVEL), None)


def imports(module):
    """Yield (imported module, whether it happens at import time and not for types only)."""
    tree = ast.parse((ROOT / Path(*module.split("."))).with_suffix(".py").read_text("utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    top = set(tree.body)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names = [node.module]
        for name in names:
            yield name, node in top, node in typing_only


@pytest.mark.parametrize("module", [name for name in MODULES if name != "palette.__init__"])
def test_imports_point_downwards(module):
    own = room(module.removesuffix(".__init__"))
    assert own is not None, f"{module} is in no room; add it to LEVELS"
    for name, _, typing_only in imports(module):
        other = room(name)
        if other is None or typing_only:
            continue
        assert own == other or LEVEL[own] < LEVEL[other], f"{module} imports {name}, which is not below it"


def test_the_table_for_contributors_is_in_this_order():
    rows = re.findall(r"^\| ((?:`[\w/.]+`(?:, )?)+) \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    rooms = [[name.removesuffix(".py").replace("/", ".") for name in re.findall(r"`([^`]+)`", row)] for row in rows]
    levels = [{LEVEL[name] for name in row} for row in rooms]
    assert len(levels) > 10
    assert [len(level) for level in levels] == [1] * len(levels)
    assert sorted(levels, key=min) == levels


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith(SPARK_FREE)])
def test_spark_free_rooms_import_no_spark(module):
    if module in WITH_SPARK:
        return
    for name, _, typing_only in imports(module):
        if not typing_only:
            assert name.split(".")[0] not in ("pyspark", "delta", "pandas"), f"{module} imports {name}"


@pytest.mark.parametrize("package", ["palette", "dsl"])
def test_import_is_light(package):
    code = f"import sys, {package}; print([m for m in ('pyspark', 'pandas', 'numpy', 'pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["palette", "dsl"])
def test_public_names_import_and_are_documented(package):
    module = __import__(package)
    for name in module.__all__:
        assert getattr(module, name).__doc__ or not callable(getattr(module, name)), name
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        module.nothing_of_that_name  # noqa: B018
