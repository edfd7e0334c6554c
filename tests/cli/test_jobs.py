"""``palette jobs package``: what spark-submit needs, and the line that runs it."""

from __future__ import annotations

import shlex
import subprocess
import sys
import zipfile

from typer.testing import CliRunner

from palette.archive import write_archive
from palette.cli.app import app
from palette.definitions import BatchSource, Entity, Feature, FeatureGroup
from palette.jobs.commands import _parser as parser
from palette.session import DELTA_PACKAGE
from palette.store import FeatureStore


def test_the_package_runs_by_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["jobs", "package", str(tmp_path / "my jobs"), "--environment", "packed.tar.gz"])
    assert done.exit_code == 0
    line = shlex.split(done.output.splitlines()[0])
    assert line[:3] == ["spark-submit", "--packages", DELTA_PACKAGE]
    assert line[line.index("--archives") + 1] == "packed.tar.gz#environment"
    assert f"spark.pyspark.driver.python={sys.executable}" in line, "what is unpacked is not where the driver is"
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


def test_each_group_with_a_batch_source_has_its_line(tmp_path):
    config = tmp_path / "the features.yaml"
    config.write_text("path: store\n")
    store = FeatureStore.open(config)
    package = ["jobs", "package", str(tmp_path / "jobs"), "--config", str(config)]
    store.apply(Entity("shop", keys={"id": "string"}))
    comment, *templates = CliRunner().invoke(app, package).output.splitlines()
    assert comment == f"# no group of {config} has a batch source"
    assert len(templates) == 3

    def group(name, source):
        return FeatureGroup(name, entity="shop", source=source, features=[Feature("x", "double")])

    nightly = BatchSource(sql="SELECT 1", schedule="15 3 * * *")
    store.apply(group("b", BatchSource(sql="SELECT 1")), group("a", nightly), group("written", None))
    done = CliRunner().invoke(app, package)
    schedule, first, second = done.output.splitlines()
    assert schedule == "# shop:a, schedule 15 3 * * *"
    script = str(tmp_path / "jobs/palette_job.py")
    for line, name in ((first, "shop:a"), (second, "shop:b")):
        words = shlex.split(line)
        assert words[0] == "spark-submit"
        asked = words[words.index(script) + 1 :]
        assert asked == ["materialize", name, "--config", str(config)]
        assert parser().parse_args(asked).group == name


def test_a_catalog_is_made_and_read_from_the_zip(tmp_path):
    write_archive(tmp_path / "palette.zip")
    code = """
import sys
sys.path.insert(0, "palette.zip")
import palette
assert "palette.zip" in palette.__file__, palette.__file__
store = palette.FeatureStore("store")
store.apply(palette.Entity("restaurant", keys={"r_id": "string"}))
print(sorted(palette.FeatureStore("store").catalog.definitions.entities()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "['restaurant']\n"), done.stderr


def test_a_store_that_was_named_must_be_there(tmp_path):
    done = CliRunner().invoke(app, ["jobs", "package", str(tmp_path / "jobs"), "--config", str(tmp_path / "nope.yaml")])
    assert done.exit_code == 2
    assert "no store at" in done.output
    assert not (tmp_path / "jobs").exists()


def test_faults_name_the_whole_command(tmp_path):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["jobs", "package", str(tmp_path / "file")])
    assert (done.exit_code, done.output.partition(": ")[0]) == (2, "palette jobs package")
