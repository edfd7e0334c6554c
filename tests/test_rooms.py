"""Imports point downwards: each room imports only from rooms below it."""

from __future__ import annotations

import ast
import graphlib
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
    ("palette.exit_codes",),
    ("palette.service",),
    ("palette.pipeline",),
    ("palette.transformer",),
    ("palette.params",),
    ("palette.store",),
    ("palette.selection",),
    ("palette.feeds",),
    ("palette.serving",),
    ("palette.offline", "palette.online", "palette.catalog"),
    ("palette.statistics",),
    ("palette.definitions",),
    ("palette.types",),
    ("palette.times",),
    ("palette.archive", "palette.atomic_directory", "palette.display_list", "palette.paths", "palette.session"),
    ("palette.lazy_imports", "palette.startup"),
    ("palette.columns", "palette.errors", "palette.terminal", "palette._version"),
    ("dsl",),
]
LEVEL = {room: depth for depth, rooms in enumerate(LEVELS) for room in rooms}
SPARK_FREE = ("palette.serving", "palette.service", "palette.cli", "palette.online", "palette.catalog",
    "palette.definitions", "palette.errors", "palette.times", "palette.types", "palette.paths", "dsl")  # fmt: skip
WITH_SPARK = ("dsl.estimator", "dsl.evaluate", "dsl.stages.expressions", "dsl.stages.persistence",
    "dsl.stages.schema_bindings", "dsl.testing",
    "palette.serving.runtime", "palette.serving.testing")  # fmt: skip


def module_name(file):
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(file): file for folder in ("palette", "dsl") for file in sorted((ROOT / folder).rglob("*.py"))}
TREES = {module: ast.parse(file.read_text("utf-8")) for module, file in FILES.items()}


def room(module):
    parts = module.split(".")
    return next((".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in LEVEL), None)


def runtime_imports(module):
    """Yield the names of the imported modules, inside functions too, but not those for types only."""
    typing_only = {
        inner
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(TREES[module]):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in FILES else node.module


def test_imports_point_downwards():
    wrong = [
        f"{module} is in no room; add it to LEVELS" for module in FILES if module != "palette" and not room(module)
    ]
    for module in FILES.keys() - {"palette"}:
        for name in runtime_imports(module):
            own, other = room(module), room(name)
            if own != other and other is not None and LEVEL[own] >= LEVEL[other]:
                wrong.append(f"{module} imports {name}, which is not below it")
    assert wrong == []


def test_no_module_imports_itself_through_others():
    """No cycles, imports inside functions counted."""
    graph = {module: {name for name in runtime_imports(module) if name in FILES} - {module} for module in FILES}
    with pytest.raises(graphlib.CycleError, match="x"):
        tuple(graphlib.TopologicalSorter({"x": {"y"}, "y": {"x"}}).static_order())
    tuple(graphlib.TopologicalSorter(graph).static_order())


def test_the_table_for_contributors_is_in_this_order():
    rows = re.findall(r"^\| ((?:`[\w/.]+`(?:, )?)+) \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    rooms = [[name.removesuffix(".py").replace("/", ".") for name in re.findall(r"`([^`]+)`", row)] for row in rows]
    levels = [{LEVEL[name] for name in row} for row in rooms]
    assert len(levels) > 10
    assert [len(level) for level in levels] == [1] * len(levels)
    assert sorted(levels, key=min) == levels


def test_spark_free_rooms_import_no_spark():
    wrong = [
        f"{module} imports {name}"
        for module in FILES
        if module.startswith(SPARK_FREE) and module not in WITH_SPARK
        for name in runtime_imports(module)
        if name.split(".")[0] in ("pyspark", "delta", "pandas")
    ]
    assert wrong == []


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
