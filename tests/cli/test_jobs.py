"""``palette jobs package``: what spark-submit needs, and the line that runs it."""

from __future__ import annotations

import shlex
import subprocess
import sys
import zipfile

from typer.testing import CliRunner

from palette.cli.commands import app
from palette.session import DELTA_PACKAGE


def test_the_package_runs_by_itself(tmp_path):
    done = CliRunner().invoke(app, ["jobs", "package", str(tmp_path / "my jobs"), "--environment", "packed.tar.gz"])
    assert done.exit_code == 0
    line = shlex.split(done.output.splitlines()[0])
    assert line[:3] == ["spark-submit", "--packages", DELTA_PACKAGE]
    assert line[line.index("--archives") + 1] == "packed.tar.gz#environment"
    archive = line[line.index("--py-files") + 1]
    assert all(name.startswith(("palette/", "dsl/")) for name in zipfile.ZipFile(archive).namelist())
    script = next(word for word in line if word.endswith(".py"))
    code = (
        f"import sys, runpy; sys.path.insert(0, {archive!r}); sys.argv = ['job', '--help']; runpy.run_path({script!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "materialize" in done.stdout
